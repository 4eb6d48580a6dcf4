#!/bin/sh
# Serves the page until it is told to stop.
trap 'exit 0' TERM
httpd -f -p 80 -h /www &
wait
