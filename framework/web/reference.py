"""x"""
def reference_page(schema: dict[str, object]) -> str:
    return ""
