# Sendmail as a relay: $1 its name, $2 its address. A message that cannot be passed on comes back after five seconds.
cat >/etc/mail/relay.mc <<MC
OSTYPE(\`debian')dnl
define(\`confDOMAIN_NAME', \`$1')dnl
define(\`confDONT_PROBE_INTERFACES', \`true')dnl
define(\`confPID_FILE', \`/run/sendmail.pid')dnl
define(\`confTO_QUEUERETURN', \`5s')dnl
undefine(\`ALIAS_FILE')dnl
DAEMON_OPTIONS(\`Name=MTA, Addr=$2, Port=smtp')dnl
FEATURE(\`no_default_msa')dnl
FEATURE(\`promiscuous_relay')dnl
FEATURE(\`accept_unresolvable_domains')dnl
MAILER(\`local')dnl
MAILER(\`smtp')dnl
MC
m4 /usr/share/sendmail/cf/m4/cf.m4 /etc/mail/relay.mc >/etc/mail/sendmail.cf
mkdir -p /var/spool/mqueue /var/lib/sendmail/host_status
chmod 700 /var/spool/mqueue
exec /usr/libexec/sendmail/sendmail -C /etc/mail/sendmail.cf -bD -q3s
