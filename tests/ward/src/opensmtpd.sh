# What is done for OpenSMTPD beside its folders: a home for its users, and its control program as the package's scripts leave it.
# Each user's .forward is looked for; a folder that is not there would refuse them all.
sed -i 's|^\(vmail:.*\):/nonexistent:|\1:/var/vmail:|' /etc/passwd
cp /usr/sbin/smtpctl /run/smtpctl
chgrp opensmtpq /run/smtpctl
chmod 2755 /run/smtpctl
mount --bind /run/smtpctl /usr/sbin/smtpctl
