#!/usr/bin/env bash
# Wall time and memory with many seeds: a cold build, a start without and with the cache, a change of one
# and of 1,000 seeds. Hugo and Zola, if installed, write the newest 50 entries of each topic as RSS from the
# same records; sower writes RSS, Atom, JSON Feed and pages.
#
#   benches/scale.sh                  1,000, 10,000 and 100,000 seeds of 3 KB in 50 topics
#   SEEDS=10000 TMPDIR=/dev/shm benches/scale.sh
#
# Needs curl and GNU time.
set -euo pipefail
cd "$(dirname "$0")/.."

sizes=${SEEDS:-1000 10000 100000}
address=127.0.0.1:18090
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; wait 2>/dev/null; rm -rf "$work"' EXIT
for tool in curl /usr/bin/time; do
  command -v "$tool" >/dev/null || { echo "$tool is not installed; install it first" >&2; exit 2; }
done

cargo build --release --quiet --bin sower --example seeds
sower=target/release/sower
export XDG_CACHE_HOME=$work/cache NO_COLOR=1

row() { printf '%8s  %-44s %8s s %8s MiB\n' "$@"; }
measure() { # LABEL COMMAND...
  local label=$1
  shift
  if ! /usr/bin/time -o "$work/time" -f '%e %M' "$@" >"$work/log" 2>&1; then
    cat "$work/log" >&2
    exit 1
  fi
  read -r seconds kib <"$work/time"
  row "$seeds" "$label" "$seconds" $((kib / 1024))
}
now() { echo "${EPOCHREALTIME//[.,]/}"; }
since() { # MICROSECONDS
  local took=$(($(now) - $1))
  printf '%d.%03d' $((took / 1000000)) $((took / 1000 % 1000))
}
resident() { awk '/VmRSS/ { print int($2 / 1024) }' "/proc/$1/status"; }
until_served() { # TEXT
  for _ in $(seq 30000); do
    if curl -s "http://$address/all.json" | grep -q "$1"; then return; fi
    sleep 0.005
  done
  cat "$work/serve.log" >&2
  exit 1
}
serve() { # LABEL
  local began
  began=$(now)
  "$sower" serve --seeds "$work/sower/content" --feeds off --listen "$address" --admin-listen off \
    >"$work/serve.log" 2>&1 &
  pid=$!
  until_served "Entry $((seeds - 1))"
  local took
  took=$(since "$began")
  sleep 2
  row "$seeds" "$1" "$took" "$(resident $pid)"
}
stop() { kill "$pid" && wait "$pid" || true; }

for seeds in $sizes; do
  mkdir -p "$work"/{sower,hugo,zola}
  target/release/examples/seeds "$seeds" "$work/sower/content"
  sync
  measure 'sower check (reads, publishes nothing)' "$sower" check --seeds "$work/sower/content"
  for archives in false true; do
    measure "sower build --no-cache --archives $archives" "$sower" build --no-cache --archives "$archives" \
      --seeds "$work/sower/content" --feeds "$work/sower/$archives"
  done
  rm -rf "$work"/sower/{true,false}
  if command -v hugo >/dev/null; then
    cat >"$work/hugo/hugo.toml" <<'CONF'
baseURL = "https://example.org/"
ignoreErrors = ["error-disable-taxonomy"]
disableKinds = ["404", "home", "robotstxt", "section", "sitemap", "taxonomy"]
[taxonomies]
topic = "topics"
[outputs]
term = ["rss"]
[services.rss]
limit = 50
CONF
    cp -r "$work/sower/content" "$work/hugo/content"
    # Without a layout for pages, Hugo writes no pages of entries.
    measure 'hugo' hugo --source "$work/hugo" --destination public --quiet
    grep -q "Entry $((seeds - 1))<" -r "$work/hugo/public/topics" || { echo 'hugo: an entry is missing' >&2; exit 1; }
  fi
  if command -v zola >/dev/null; then
    target/release/examples/seeds "$seeds" "$work/zola/content" zola
    mkdir -p "$work/zola/templates"
    printf '%s' >"$work/zola/templates/index.html"
    cp "$work/zola/templates/index.html" "$work/zola/templates/page.html"
    cat >"$work/zola/config.toml" <<'CONF'
base_url = "https://example.org"
feed_filenames = ["rss.xml"]
feed_limit = 50
taxonomies = [{ name = "topics", feed = true, render = true }]
CONF
    mkdir -p "$work/zola/templates/topics"
    touch "$work"/zola/templates/topics/{list,single}.html
    find "$work/zola/content" -type d -exec sh -c 'printf -- "---\ntransparent: true\n---\n" >"$1/_index.md"' _ {} \;
    measure 'zola build' zola --root "$work/zola" build --output-dir "$work/zola/public" --force
  fi
  serve 'sower serve, until the first answer'
  sleep 1 # The cache keeps only seeds that are older than the resolution of file times.
  stop
  serve 'the same with the cache'
  began=$(now)
  sed -i "s/^title: .*/title: One is changed/" "$work/sower/content/$(printf '%03d/%06d' $(((seeds - 1) / 1000)) $((seeds - 1))).md"
  until_served 'One is changed'
  row "$seeds" 'one seed is changed and served' "$(since "$began")" "$(resident $pid)"
  began=$(now)
  sed -i "s/^title: .*/title: All are changed/" "$work/sower/content/$(printf '%03d' $(((seeds - 1) / 1000)))"/*.md
  until_served 'All are changed'
  row "$seeds" '1,000 seeds are changed and served' "$(since "$began")" "$(resident $pid)"
  stop
  rm -rf "$work"/{sower,hugo,zola,cache}
done
