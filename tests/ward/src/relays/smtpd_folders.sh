# The folders of OpenSMTPD, as the package's scripts make them.
queue=/var/spool/smtpd
mkdir -p $queue/offline $queue/purge $queue/queue /var/lib/opensmtpd/empty
chmod 711 $queue
chown root:opensmtpq $queue/offline
chmod 770 $queue/offline
chown opensmtpq $queue/purge $queue/queue
chmod 700 $queue/purge $queue/queue
