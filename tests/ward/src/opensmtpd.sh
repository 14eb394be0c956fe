# What the package's scripts make of OpenSMTPD's folders and its control program.
queue=/var/spool/smtpd
mkdir -p $queue/offline $queue/purge $queue/queue /var/lib/opensmtpd/empty
chmod 711 $queue
chown root:opensmtpq $queue/offline
chmod 770 $queue/offline
chown opensmtpq $queue/purge $queue/queue
chmod 700 $queue/purge $queue/queue
# Each user's .forward is looked for; a folder that is not there would refuse them all.
sed -i 's|^\(vmail:.*\):/nonexistent:|\1:/var/vmail:|' /etc/passwd
cp /usr/sbin/smtpctl /run/smtpctl
chgrp opensmtpq /run/smtpctl
chmod 2755 /run/smtpctl
mount --bind /run/smtpctl /usr/sbin/smtpctl
