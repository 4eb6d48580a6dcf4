#!/bin/sh
# Says who it is, and what those say whom it asks: the services in ASKS, which it knows by their names and nothing else.
printf 'Content-Type: text/plain\r\n\r\n'
echo "${GREETING:-hello} from $FRAMEWORK_TASK"
for service in $ASKS; do
  if [ "$service" = redis ]; then
    answer=$(printf 'PING\r\n' | nc -w 3 redis 6379 2>&1) && answer="redis says $answer"
  else
    answer=$(timeout 3 wget -q -O - "http://$service/" 2>&1)
  fi || answer="$service does not answer: $answer"
  echo "$answer" | sed 's/^/  /'
done
