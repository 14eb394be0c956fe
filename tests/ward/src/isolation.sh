# Lays out a trial's machine inside its namespaces: $1 the unpacked servers, $2 the trial's folder, $3 the host name.
servers=$1 folder=$2
hostname "$3"
ip link set lo up
# Postfix's postlogd writes into the socket that it reads: where ten messages wait before it has begun, all wait for each other.
echo 512 >/proc/sys/net/unix/max_dgram_qlen
mkdir "$folder/layers"
mount -t tmpfs -o mode=0755 tmpfs "$folder/layers"
# /etc and /var as on a machine where the packages are installed, and what is written stays in memory.
for part in etc var; do
  mkdir "$folder/layers/$part" "$folder/layers/$part.work"
  lower=/$part
  [ ! -d "$servers/$part" ] || lower=$servers/$part:/$part
  mount -t overlay overlay -o "lowerdir=$lower,upperdir=$folder/layers/$part,workdir=$folder/layers/$part.work" "/$part"
done
mount -t overlay overlay -o "lowerdir=$servers/usr:/usr" /usr
mount -t tmpfs -o mode=0755 tmpfs /run
