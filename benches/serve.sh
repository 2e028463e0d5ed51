#!/usr/bin/env bash
# CPU time and throughput of a poll: sower compared with nginx (and static-web-server, if installed),
# which serve the same bytes as files with the same fields, and with a minimal hyper server. The server
# has one core and wrk another. The servers take turns within each round, since machines differ and change
# over time, and are restarted for each measurement, since their memory layout makes a few percent. Each
# figure is the median of the rounds, and each ratio the median of the ratios within the rounds.
#
#   benches/serve.sh            2 s a measurement, 9 rounds
#   SECONDS_EACH=2 ROUNDS=1 CONNECTIONS=64 benches/serve.sh
#   CORES=0,1 benches/serve.sh  two cores, or two workers, for the server, and two threads of wrk on the same cores
#
# Needs wrk and nginx (with gzip_static), and taskset.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${SECONDS_EACH:-2} rounds=${ROUNDS:-9} counts=${CONNECTIONS:-64 512}
cores=${CORES:-0}
workers=$(tr ',' '\n' <<<"$cores" | wc -l)
# A single thread of wrk on one of two server cores would measure how the system places three busy threads on two.
case $cores in
  *,*) client_cores=$cores ;;
  1) client_cores=0 ;;
  *) client_cores=1 ;;
esac
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; wait 2>/dev/null; rm -rf "$work"' EXIT
for tool in wrk nginx taskset curl gzip; do
  command -v "$tool" >/dev/null || { echo "$tool is not installed; install it first" >&2; exit 2; }
done

cargo build --release --quiet --bin sower --example bare_hyper
mkdir -p "$work/seeds"
words=(seed feed topic entry edition harvest field furrow rain light root stem leaf flower fruit barn)
RANDOM=7
for number in $(seq 100 159); do
  text=
  for _ in $(seq 98); do text+="${words[RANDOM % ${#words[@]}]}$((RANDOM % 100)) "; done
  printf -- '---\ntitle: Entry %s\ndate: 2024-01-01T00:%s:00Z\nwebUrl: https://example.org/%s\nexcerpt: In short %s\ntopics: bench\n---\n%s\n' \
    "$number" "$((number - 100))" "$number" "$number" "$text" >"$work/seeds/$number.md"
done

export XDG_CACHE_HOME=$work/cache
sower_port=18080 nginx_port=18081 static_port=18082 bare_port=18083
run() { # NAME: the server
  case $1 in
    # With a maximum age of 0, the rate limiter checks every poll and refuses none.
    sower) exec taskset -c "$cores" target/release/sower serve --seeds "$work/seeds" --feeds "$work/feeds" \
      --listen "127.0.0.1:$sower_port" --max-age 0s --client-limit 10000 ;;
    nginx) exec taskset -c "$cores" nginx -c "$work/nginx.conf" ;;
    bare) exec taskset -c "$cores" target/release/examples/bare_hyper "127.0.0.1:$bare_port" "$work/feeds/all.atom" ;;
    static) exec taskset -c "$cores" static-web-server --port "$static_port" --host 127.0.0.1 \
      --root "$work/feeds" --compression-static --threads-multiplier 1 --log-level error ;;
  esac
}
start() { # NAME: sets pid
  local port_of="$1_port"
  run "$1" >"$work/$1.log" 2>&1 &
  pid=$!
  for _ in $(seq 200); do
    curl -so /dev/null "http://127.0.0.1:${!port_of}/all.atom" && return
    sleep 0.05
  done
  cat "$work/$1.log" >&2
  exit 1
}
stop() {
  kill "$pid"
  wait "$pid" 2>/dev/null || true
}

start sower
until [ -e "$work/feeds/all.atom" ] && [ -e "$work/feeds/feeds.opml" ]; do sleep 0.1; done
sleep 1
stop
find "$work/feeds" -name '*.atom' -exec gzip -6 -k {} +
chmod -R a+rX "$work"
cat >"$work/nginx.conf" <<CONF
daemon off; worker_processes $workers; pid $work/nginx.pid; error_log $work/nginx-error.log;
events { worker_connections 4096; }
http {
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000;
  types { application/atom+xml atom; application/rss+xml rss; }
  open_file_cache max=1000 inactive=60s; open_file_cache_valid 60s; open_file_cache_min_uses 1;
  gzip_static on;
  server { listen 127.0.0.1:$nginx_port backlog=4096; root $work/feeds;
    add_header Cache-Control "public, max-age=0, stale-while-revalidate=0, stale-if-error=86400";
    add_header Vary "Accept-Encoding, Sec-Fetch-Dest"; add_header Access-Control-Allow-Origin "*"; }
}
CONF
servers="sower nginx bare"
if command -v static-web-server >/dev/null; then servers+=" static"; fi

family() { pgrep -P "$1" || true; echo "$1"; }
cpu_nanoseconds() { # PID: of the process, its children and all their threads
  for pid in $(family "$1"); do cat /proc/"$pid"/task/*/schedstat; done | awk '{ sum += $1 } END { printf "%.0f", sum }'
}
measure() { # NAME CONNECTIONS HEADER: prints microseconds a request and requests a second
  local port_of="$1_port" before after answers
  before=$(cpu_nanoseconds "$pid")
  taskset -c "$client_cores" wrk -t"$workers" -c"$2" -d"${seconds}s" -H "$3" \
    "http://127.0.0.1:${!port_of}/all.atom" >"$work/wrk"
  after=$(cpu_nanoseconds "$pid")
  if grep -E 'Socket errors|Non-2xx' "$work/wrk" >&2; then
    echo "$1: some requests failed; nothing is measured" >&2
    exit 1
  fi
  answers=$(awk '/requests in/ { print $1 }' "$work/wrk")
  awk -v ns=$((after - before)) -v n="$answers" -v rate="$(awk '/Requests\/sec/ { print $2 }' "$work/wrk")" \
    'BEGIN { printf "%.2f %.0f\n", ns / n / 1000, rate }'
}
tag_of() { # NAME
  local port_of="$1_port"
  curl -sI "http://127.0.0.1:${!port_of}/all.atom" | tr -d '\r' | awk -F': ' 'tolower($1) == "etag" { print $2 }'
}
median() { sort -n | awk '{ value[NR] = $1 } END { print value[int((NR + 1) / 2)] }'; }

header_of() { # NAME ANSWER: prints the header that requests this answer
  case $2 in
    # static-web-server validates by date alone.
    304) [ "$1" = static ] && echo 'If-Modified-Since: Thu, 01 Jan 2099 00:00:00 GMT' || echo "If-None-Match: $(tag_of "$1")" ;;
    *) echo "Accept-Encoding: $2" ;;
  esac
}
check() { # NAME ANSWER: fails if the server gives another answer
  local port_of="$1_port" expected=200 coding= answered
  case $2 in 304) expected=304 ;; gzip) coding=gzip ;; esac
  answered=$(curl -sD- -o/dev/null -H "$(header_of "$1" "$2")" "http://127.0.0.1:${!port_of}/all.atom" | tr -d '\r' |
    awk 'NR == 1 { status = $2 } tolower($1) == "content-encoding:" { coding = $2 } END { print status, coding }')
  [ "$answered" = "$expected $coding" ] || { echo "$1 answers $answered instead of $expected $coding" >&2; exit 1; }
}

printf 'all.atom: %s bytes, %s with gzip; %s s a measurement, median of %s\n' \
  "$(stat -c %s "$work/feeds/all.atom")" "$(stat -c %s "$work/feeds/all.atom.gz")" "$seconds" "$rounds"
printf '%-14s %11s %-8s %10s %9s %12s %9s\n' answer connections server 'µs CPU' 'of nginx' requests/s 'of nginx'
for count in $counts; do
  for answer in 304 gzip identity; do
    # The minimal hyper server has no gzip.
    [ "$answer" = gzip ] && asked=${servers/ bare/} || asked=$servers
    for round in $(seq "$rounds"); do
      for name in $asked; do
        start "$name"
        check "$name" "$answer"
        measure "$name" "$count" "$(header_of "$name" "$answer")" >>"$work/$answer.$count.$name"
        stop
      done
    done
    for name in $asked; do
      figures=()
      for column in 1 2; do
        figures+=("$(cut -d' ' -f$column "$work/$answer.$count.$name" | median)"
          "$(paste -d' ' "$work/$answer.$count."{"$name",nginx} |
            awk -v own=$column '{ printf "%.2f\n", $own / $(own + 2) }' | median)")
      done
      printf '%-14s %11s %-8s %10s %9s %12s %9s\n' "$answer" "$count" "$name" "${figures[@]}"
    done
  done
done
