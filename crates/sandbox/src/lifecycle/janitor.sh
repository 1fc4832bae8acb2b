# Outlives the process that holds the other end of standard input, and tidies up after it.
# $1: the pid file of a PostgreSQL server, which may never come to be; $2: a folder to remove, or nothing.
trap '' HUP INT QUIT TERM
while IFS= read -r word; do
  [ "$word" = done ] && exit 0
done
alive() {
  kill -0 "$1" 2>/dev/null || return 1
  # A zombie is dead: its parent was just slow to look.
  [ -r "/proc/$1/stat" ] && read -r _ _ state _ <"/proc/$1/stat" && [ "$state" = Z ] && return 1
  return 0
}
ours() {
  if [ -r "/proc/$1/comm" ]; then read -r name <"/proc/$1/comm"; else name=$(ps -o comm= -p "$1" 2>/dev/null); fi
  # Numbers are used again: only a PostgreSQL may be stopped.
  case $name in *postgres* | *postmaster*) return 0 ;; esac
  return 1
}
wait_for() {
  tries=0
  while alive "$1" && [ "$tries" -lt "$2" ]; do
    sleep 0.05
    tries=$((tries + 1))
  done
}
pid=
[ -r "$1" ] && IFS= read -r pid <"$1"
case $pid in '' | *[!0-9]*) pid= ;; esac
if [ -n "$pid" ] && alive "$pid" && ours "$pid"; then
  # A folder that stays deserves a checkpoint; one that goes does not.
  if [ -n "$2" ]; then kill -QUIT "$pid"; else kill -INT "$pid"; fi 2>/dev/null
  wait_for "$pid" 100
  kill -KILL "$pid" 2>/dev/null
  wait_for "$pid" 20
fi
[ -n "$2" ] || exit 0
tries=0
while [ -e "$2" ] && [ "$tries" -lt 100 ]; do
  rm -rf -- "$2" 2>/dev/null
  [ -e "$2" ] && sleep 0.1
  tries=$((tries + 1))
done
