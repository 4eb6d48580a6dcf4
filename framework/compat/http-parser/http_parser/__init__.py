"""The part of http_parser's interface that pymesos uses, on top of h11."""
