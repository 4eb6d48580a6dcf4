"""Programs that a Mesos agent starts, which `install` puts beside it: only the standard library, one file each."""
