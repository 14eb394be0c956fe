# OpenSMTPD as a relay, once its folders are made: $1 its name, $2 its address. A message that cannot be passed on comes back after five seconds.
cat >/etc/smtpd.conf <<CONF
queue ttl 5s
listen on $2 port 25 hostname $1
action "relay" relay helo $1
match from any for any action "relay"
CONF
# In the foreground it would write its log to standard error.
/usr/sbin/smtpd
exec sleep infinity
