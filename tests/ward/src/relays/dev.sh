# A /dev of the trial's own, with what servers need.
mkdir /run/dev
mount -t tmpfs -o mode=0755 tmpfs /run/dev
for device in null zero full random urandom tty; do
  : >"/run/dev/$device"
  mount --bind "/dev/$device" "/run/dev/$device"
done
ln -s /proc/self/fd /run/dev/fd
mount --move /run/dev /dev
