# Courier as a relay: $1 its name, $2 its address. A message that cannot be passed on comes back after five seconds.
cd /etc/courier || exit 1
echo "$1" >me
echo "$1" >defaultdomain
echo "$1" >locals
echo "postmaster@$1" >dsnfrom
# To Courier, a domain whose MX record leads to any address of this machine loops back.
for domain in unknown stranger gone; do
  echo "$domain.example: mx.$domain.example" >>esmtproutes
done
echo "clinic.example: mx1.clinic.example" >>esmtproutes
echo 5s >queuetime
echo 1s >retryalpha
echo 20 >retrybeta
echo 0 >esmtpdelay
sed -i -e 's/^BOFHCHECKDNS=.*/BOFHCHECKDNS=0/' -e 's/^TARPIT=.*/TARPIT=0/' esmtpd
printf 'ADDRESS=%s\nRELAYCLIENT=\n' "$2" >>esmtpd
touch /etc/environment
state=/var/lib/courier
mkdir -p $state/msgq $state/msgs $state/track $state/sts $state/tmp $state/filters $state/allfilters /run/courier/authdaemon
chown -R courier:courier $state /run/courier
chmod 750 $state/* /run/courier/authdaemon
chmod 770 $state/tmp
chown -R root:courier /etc/courier
ldconfig
/usr/lib/courier/courierctl.start
esmtpd start
exec sleep infinity
