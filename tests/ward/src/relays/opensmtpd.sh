# OpenSMTPD as a relay: $1 its name, $2 its address. A message that cannot be passed on comes back after five seconds.
cat >/etc/smtpd.conf <<CONF
queue ttl 5s
listen on $2 port 25 hostname $1
action "relay" relay helo $1
match from any for any action "relay"
CONF
queue=/var/spool/smtpd
mkdir -p $queue/offline $queue/purge $queue/queue /var/lib/opensmtpd/empty
chmod 711 $queue
chown root:opensmtpq $queue/offline
chmod 770 $queue/offline
chown opensmtpq $queue/purge $queue/queue
chmod 700 $queue/purge $queue/queue
# In the foreground it would write its log to standard error.
/usr/sbin/smtpd
exec sleep infinity
