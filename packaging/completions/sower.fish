# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_sower_global_optspecs
    string join \n h/help V/version
end

function __fish_sower_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_sower_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_sower_using_subcommand
    set -l cmd (__fish_sower_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c sower -n "__fish_sower_needs_command" -s h -l help -d 'Print help'
complete -c sower -n "__fish_sower_needs_command" -s V -l version -d 'Print version'
complete -c sower -n "__fish_sower_needs_command" -f -a "serve" -d 'Watch the seeds, publish, serve'
complete -c sower -n "__fish_sower_needs_command" -f -a "build" -d 'Publish once into the feeds directory'
complete -c sower -n "__fish_sower_needs_command" -f -a "check" -d 'Read the seeds and show every fault with its line'
complete -c sower -n "__fish_sower_needs_command" -f -a "why" -d 'Show which feeds carry an entry, or why none does'
complete -c sower -n "__fish_sower_needs_command" -f -a "init" -d 'Write a starting sower.yaml and a first seed'
complete -c sower -n "__fish_sower_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c sower -n "__fish_sower_using_subcommand serve" -l config -d 'Configuration file [default: sower.yaml, if it exists]' -r -F
complete -c sower -n "__fish_sower_using_subcommand serve" -l seeds -d 'Directory that contains the seeds [default: seeds]' -r -f -a "(__fish_complete_directories)"
complete -c sower -n "__fish_sower_using_subcommand serve" -l topic-fields -d 'Fields to take topics from besides `topics`, such as `tags` [default: off]' -r
complete -c sower -n "__fish_sower_using_subcommand serve" -l topic-words -d 'Split text in these fields into words, each of them a topic [default: false]' -r
complete -c sower -n "__fish_sower_using_subcommand serve" -l default-topic -d 'Topic of seeds without one [default: none; such a seed is a fault]' -r
complete -c sower -n "__fish_sower_using_subcommand serve" -l permalink -d 'Link of seeds without one, such as `https://example.org/posts/{name}/` [default: none]' -r
complete -c sower -n "__fish_sower_using_subcommand serve" -l watch -d 'Detection of changes: events, or poll for network file systems [default: events]' -r
complete -c sower -n "__fish_sower_using_subcommand serve" -l feeds -d 'Directory to write the feeds and pages to, or `off` [default: feeds]' -r -f -a "(__fish_complete_directories)"
complete -c sower -n "__fish_sower_using_subcommand serve" -l url -d 'Public address of the publication [default: http:// and the address of --listen]' -r
complete -c sower -n "__fish_sower_using_subcommand serve" -l listen -d 'Addresses to listen on, each with a port, or `unix:PATH` [default: 127.0.0.1:8080]' -r
complete -c sower -n "__fish_sower_using_subcommand serve" -l admin-listen -d 'Address for health and metrics, or `off` [default: 127.0.0.1:8081]' -r
complete -c sower -n "__fish_sower_using_subcommand serve" -l trusted-proxies -d 'Networks of proxies whose X-Forwarded-For is trusted [default: off]' -r
complete -c sower -n "__fish_sower_using_subcommand serve" -l max-connections -d 'Maximum number of simultaneous connections [default: 10000]' -r
complete -c sower -n "__fish_sower_using_subcommand serve" -l client-limit -d 'Rate limit per client and feed: burst size; one request is restored every max-age [default: off]' -r
complete -c sower -n "__fish_sower_using_subcommand serve" -l access-log -d 'Access log on standard output: off, common or json [default: off]' -r
complete -c sower -n "__fish_sower_using_subcommand serve" -l title -d 'Title of the publication [default: Feeds]' -r
complete -c sower -n "__fish_sower_using_subcommand serve" -l language -d 'Language of the publication [default: en]' -r
complete -c sower -n "__fish_sower_using_subcommand serve" -l copyright -d 'Copyright notice, such as `© 2026 The Garden` [default: none]' -r
complete -c sower -n "__fish_sower_using_subcommand serve" -l icon -d 'Small square picture for the publication [default: none]' -r
complete -c sower -n "__fish_sower_using_subcommand serve" -l logo -d 'Large picture for the publication, twice as wide as high [default: none]' -r
complete -c sower -n "__fish_sower_using_subcommand serve" -l entries -d 'Maximum number of entries in a feed; the newest are kept [default: 50]' -r
complete -c sower -n "__fish_sower_using_subcommand serve" -l archives -d 'Publish monthly archives of feeds with more entries than they show [default: true]' -r
complete -c sower -n "__fish_sower_using_subcommand serve" -l pictures -d 'Show the pictures of entries on pages, loaded from their hosts [default: false]' -r
complete -c sower -n "__fish_sower_using_subcommand serve" -l accent -d 'Colour of links and buttons on pages, such as `#a63f06`' -r
complete -c sower -n "__fish_sower_using_subcommand serve" -l content -d 'Content of entries: full, or excerpt [default: full]' -r
complete -c sower -n "__fish_sower_using_subcommand serve" -l frame-hosts -d 'Hosts whose video players entries may embed, or `off` [default: those of YouTube and Vimeo]' -r
complete -c sower -n "__fish_sower_using_subcommand serve" -l max-age -d 'Time for which readers may cache a feed [default: 15m]' -r
complete -c sower -n "__fish_sower_using_subcommand serve" -l max-seed-size -d 'Maximum size of a seed [default: 1MiB]' -r
complete -c sower -n "__fish_sower_using_subcommand serve" -l unpublished -d 'Show unpublished and removed records too, for a preview' -r
complete -c sower -n "__fish_sower_using_subcommand serve" -l no-cache -d 'Read every seed; neither use nor write the cache' -r
complete -c sower -n "__fish_sower_using_subcommand serve" -s h -l help -d 'Print help'
complete -c sower -n "__fish_sower_using_subcommand build" -l config -d 'Configuration file [default: sower.yaml, if it exists]' -r -F
complete -c sower -n "__fish_sower_using_subcommand build" -l seeds -d 'Directory that contains the seeds [default: seeds]' -r -f -a "(__fish_complete_directories)"
complete -c sower -n "__fish_sower_using_subcommand build" -l topic-fields -d 'Fields to take topics from besides `topics`, such as `tags` [default: off]' -r
complete -c sower -n "__fish_sower_using_subcommand build" -l topic-words -d 'Split text in these fields into words, each of them a topic [default: false]' -r
complete -c sower -n "__fish_sower_using_subcommand build" -l default-topic -d 'Topic of seeds without one [default: none; such a seed is a fault]' -r
complete -c sower -n "__fish_sower_using_subcommand build" -l permalink -d 'Link of seeds without one, such as `https://example.org/posts/{name}/` [default: none]' -r
complete -c sower -n "__fish_sower_using_subcommand build" -l watch -d 'Detection of changes: events, or poll for network file systems [default: events]' -r
complete -c sower -n "__fish_sower_using_subcommand build" -l feeds -d 'Directory to write the feeds and pages to, or `off` [default: feeds]' -r -f -a "(__fish_complete_directories)"
complete -c sower -n "__fish_sower_using_subcommand build" -l url -d 'Public address of the publication [default: http:// and the address of --listen]' -r
complete -c sower -n "__fish_sower_using_subcommand build" -l listen -d 'Addresses to listen on, each with a port, or `unix:PATH` [default: 127.0.0.1:8080]' -r
complete -c sower -n "__fish_sower_using_subcommand build" -l admin-listen -d 'Address for health and metrics, or `off` [default: 127.0.0.1:8081]' -r
complete -c sower -n "__fish_sower_using_subcommand build" -l trusted-proxies -d 'Networks of proxies whose X-Forwarded-For is trusted [default: off]' -r
complete -c sower -n "__fish_sower_using_subcommand build" -l max-connections -d 'Maximum number of simultaneous connections [default: 10000]' -r
complete -c sower -n "__fish_sower_using_subcommand build" -l client-limit -d 'Rate limit per client and feed: burst size; one request is restored every max-age [default: off]' -r
complete -c sower -n "__fish_sower_using_subcommand build" -l access-log -d 'Access log on standard output: off, common or json [default: off]' -r
complete -c sower -n "__fish_sower_using_subcommand build" -l title -d 'Title of the publication [default: Feeds]' -r
complete -c sower -n "__fish_sower_using_subcommand build" -l language -d 'Language of the publication [default: en]' -r
complete -c sower -n "__fish_sower_using_subcommand build" -l copyright -d 'Copyright notice, such as `© 2026 The Garden` [default: none]' -r
complete -c sower -n "__fish_sower_using_subcommand build" -l icon -d 'Small square picture for the publication [default: none]' -r
complete -c sower -n "__fish_sower_using_subcommand build" -l logo -d 'Large picture for the publication, twice as wide as high [default: none]' -r
complete -c sower -n "__fish_sower_using_subcommand build" -l entries -d 'Maximum number of entries in a feed; the newest are kept [default: 50]' -r
complete -c sower -n "__fish_sower_using_subcommand build" -l archives -d 'Publish monthly archives of feeds with more entries than they show [default: true]' -r
complete -c sower -n "__fish_sower_using_subcommand build" -l pictures -d 'Show the pictures of entries on pages, loaded from their hosts [default: false]' -r
complete -c sower -n "__fish_sower_using_subcommand build" -l accent -d 'Colour of links and buttons on pages, such as `#a63f06`' -r
complete -c sower -n "__fish_sower_using_subcommand build" -l content -d 'Content of entries: full, or excerpt [default: full]' -r
complete -c sower -n "__fish_sower_using_subcommand build" -l frame-hosts -d 'Hosts whose video players entries may embed, or `off` [default: those of YouTube and Vimeo]' -r
complete -c sower -n "__fish_sower_using_subcommand build" -l max-age -d 'Time for which readers may cache a feed [default: 15m]' -r
complete -c sower -n "__fish_sower_using_subcommand build" -l max-seed-size -d 'Maximum size of a seed [default: 1MiB]' -r
complete -c sower -n "__fish_sower_using_subcommand build" -l unpublished -d 'Show unpublished and removed records too, for a preview' -r
complete -c sower -n "__fish_sower_using_subcommand build" -l no-cache -d 'Read every seed; neither use nor write the cache' -r
complete -c sower -n "__fish_sower_using_subcommand build" -s h -l help -d 'Print help'
complete -c sower -n "__fish_sower_using_subcommand check" -l format -d 'Output format: text or json' -r -f -a "text\t'Text for people'
json\t'JSON for programs'"
complete -c sower -n "__fish_sower_using_subcommand check" -l config -d 'Configuration file [default: sower.yaml, if it exists]' -r -F
complete -c sower -n "__fish_sower_using_subcommand check" -l seeds -d 'Directory that contains the seeds [default: seeds]' -r -f -a "(__fish_complete_directories)"
complete -c sower -n "__fish_sower_using_subcommand check" -l topic-fields -d 'Fields to take topics from besides `topics`, such as `tags` [default: off]' -r
complete -c sower -n "__fish_sower_using_subcommand check" -l topic-words -d 'Split text in these fields into words, each of them a topic [default: false]' -r
complete -c sower -n "__fish_sower_using_subcommand check" -l default-topic -d 'Topic of seeds without one [default: none; such a seed is a fault]' -r
complete -c sower -n "__fish_sower_using_subcommand check" -l permalink -d 'Link of seeds without one, such as `https://example.org/posts/{name}/` [default: none]' -r
complete -c sower -n "__fish_sower_using_subcommand check" -l watch -d 'Detection of changes: events, or poll for network file systems [default: events]' -r
complete -c sower -n "__fish_sower_using_subcommand check" -l feeds -d 'Directory to write the feeds and pages to, or `off` [default: feeds]' -r -f -a "(__fish_complete_directories)"
complete -c sower -n "__fish_sower_using_subcommand check" -l url -d 'Public address of the publication [default: http:// and the address of --listen]' -r
complete -c sower -n "__fish_sower_using_subcommand check" -l listen -d 'Addresses to listen on, each with a port, or `unix:PATH` [default: 127.0.0.1:8080]' -r
complete -c sower -n "__fish_sower_using_subcommand check" -l admin-listen -d 'Address for health and metrics, or `off` [default: 127.0.0.1:8081]' -r
complete -c sower -n "__fish_sower_using_subcommand check" -l trusted-proxies -d 'Networks of proxies whose X-Forwarded-For is trusted [default: off]' -r
complete -c sower -n "__fish_sower_using_subcommand check" -l max-connections -d 'Maximum number of simultaneous connections [default: 10000]' -r
complete -c sower -n "__fish_sower_using_subcommand check" -l client-limit -d 'Rate limit per client and feed: burst size; one request is restored every max-age [default: off]' -r
complete -c sower -n "__fish_sower_using_subcommand check" -l access-log -d 'Access log on standard output: off, common or json [default: off]' -r
complete -c sower -n "__fish_sower_using_subcommand check" -l title -d 'Title of the publication [default: Feeds]' -r
complete -c sower -n "__fish_sower_using_subcommand check" -l language -d 'Language of the publication [default: en]' -r
complete -c sower -n "__fish_sower_using_subcommand check" -l copyright -d 'Copyright notice, such as `© 2026 The Garden` [default: none]' -r
complete -c sower -n "__fish_sower_using_subcommand check" -l icon -d 'Small square picture for the publication [default: none]' -r
complete -c sower -n "__fish_sower_using_subcommand check" -l logo -d 'Large picture for the publication, twice as wide as high [default: none]' -r
complete -c sower -n "__fish_sower_using_subcommand check" -l entries -d 'Maximum number of entries in a feed; the newest are kept [default: 50]' -r
complete -c sower -n "__fish_sower_using_subcommand check" -l archives -d 'Publish monthly archives of feeds with more entries than they show [default: true]' -r
complete -c sower -n "__fish_sower_using_subcommand check" -l pictures -d 'Show the pictures of entries on pages, loaded from their hosts [default: false]' -r
complete -c sower -n "__fish_sower_using_subcommand check" -l accent -d 'Colour of links and buttons on pages, such as `#a63f06`' -r
complete -c sower -n "__fish_sower_using_subcommand check" -l content -d 'Content of entries: full, or excerpt [default: full]' -r
complete -c sower -n "__fish_sower_using_subcommand check" -l frame-hosts -d 'Hosts whose video players entries may embed, or `off` [default: those of YouTube and Vimeo]' -r
complete -c sower -n "__fish_sower_using_subcommand check" -l max-age -d 'Time for which readers may cache a feed [default: 15m]' -r
complete -c sower -n "__fish_sower_using_subcommand check" -l max-seed-size -d 'Maximum size of a seed [default: 1MiB]' -r
complete -c sower -n "__fish_sower_using_subcommand check" -l unpublished -d 'Show unpublished and removed records too, for a preview' -r
complete -c sower -n "__fish_sower_using_subcommand check" -l no-cache -d 'Read every seed; neither use nor write the cache' -r
complete -c sower -n "__fish_sower_using_subcommand check" -l strict -d 'Count unknown keys and missing dates as faults'
complete -c sower -n "__fish_sower_using_subcommand check" -s h -l help -d 'Print help'
complete -c sower -n "__fish_sower_using_subcommand why" -l config -d 'Configuration file [default: sower.yaml, if it exists]' -r -F
complete -c sower -n "__fish_sower_using_subcommand why" -l seeds -d 'Directory that contains the seeds [default: seeds]' -r -f -a "(__fish_complete_directories)"
complete -c sower -n "__fish_sower_using_subcommand why" -l topic-fields -d 'Fields to take topics from besides `topics`, such as `tags` [default: off]' -r
complete -c sower -n "__fish_sower_using_subcommand why" -l topic-words -d 'Split text in these fields into words, each of them a topic [default: false]' -r
complete -c sower -n "__fish_sower_using_subcommand why" -l default-topic -d 'Topic of seeds without one [default: none; such a seed is a fault]' -r
complete -c sower -n "__fish_sower_using_subcommand why" -l permalink -d 'Link of seeds without one, such as `https://example.org/posts/{name}/` [default: none]' -r
complete -c sower -n "__fish_sower_using_subcommand why" -l watch -d 'Detection of changes: events, or poll for network file systems [default: events]' -r
complete -c sower -n "__fish_sower_using_subcommand why" -l feeds -d 'Directory to write the feeds and pages to, or `off` [default: feeds]' -r -f -a "(__fish_complete_directories)"
complete -c sower -n "__fish_sower_using_subcommand why" -l url -d 'Public address of the publication [default: http:// and the address of --listen]' -r
complete -c sower -n "__fish_sower_using_subcommand why" -l listen -d 'Addresses to listen on, each with a port, or `unix:PATH` [default: 127.0.0.1:8080]' -r
complete -c sower -n "__fish_sower_using_subcommand why" -l admin-listen -d 'Address for health and metrics, or `off` [default: 127.0.0.1:8081]' -r
complete -c sower -n "__fish_sower_using_subcommand why" -l trusted-proxies -d 'Networks of proxies whose X-Forwarded-For is trusted [default: off]' -r
complete -c sower -n "__fish_sower_using_subcommand why" -l max-connections -d 'Maximum number of simultaneous connections [default: 10000]' -r
complete -c sower -n "__fish_sower_using_subcommand why" -l client-limit -d 'Rate limit per client and feed: burst size; one request is restored every max-age [default: off]' -r
complete -c sower -n "__fish_sower_using_subcommand why" -l access-log -d 'Access log on standard output: off, common or json [default: off]' -r
complete -c sower -n "__fish_sower_using_subcommand why" -l title -d 'Title of the publication [default: Feeds]' -r
complete -c sower -n "__fish_sower_using_subcommand why" -l language -d 'Language of the publication [default: en]' -r
complete -c sower -n "__fish_sower_using_subcommand why" -l copyright -d 'Copyright notice, such as `© 2026 The Garden` [default: none]' -r
complete -c sower -n "__fish_sower_using_subcommand why" -l icon -d 'Small square picture for the publication [default: none]' -r
complete -c sower -n "__fish_sower_using_subcommand why" -l logo -d 'Large picture for the publication, twice as wide as high [default: none]' -r
complete -c sower -n "__fish_sower_using_subcommand why" -l entries -d 'Maximum number of entries in a feed; the newest are kept [default: 50]' -r
complete -c sower -n "__fish_sower_using_subcommand why" -l archives -d 'Publish monthly archives of feeds with more entries than they show [default: true]' -r
complete -c sower -n "__fish_sower_using_subcommand why" -l pictures -d 'Show the pictures of entries on pages, loaded from their hosts [default: false]' -r
complete -c sower -n "__fish_sower_using_subcommand why" -l accent -d 'Colour of links and buttons on pages, such as `#a63f06`' -r
complete -c sower -n "__fish_sower_using_subcommand why" -l content -d 'Content of entries: full, or excerpt [default: full]' -r
complete -c sower -n "__fish_sower_using_subcommand why" -l frame-hosts -d 'Hosts whose video players entries may embed, or `off` [default: those of YouTube and Vimeo]' -r
complete -c sower -n "__fish_sower_using_subcommand why" -l max-age -d 'Time for which readers may cache a feed [default: 15m]' -r
complete -c sower -n "__fish_sower_using_subcommand why" -l max-seed-size -d 'Maximum size of a seed [default: 1MiB]' -r
complete -c sower -n "__fish_sower_using_subcommand why" -l unpublished -d 'Show unpublished and removed records too, for a preview' -r
complete -c sower -n "__fish_sower_using_subcommand why" -l no-cache -d 'Read every seed; neither use nor write the cache' -r
complete -c sower -n "__fish_sower_using_subcommand why" -s h -l help -d 'Print help'
complete -c sower -n "__fish_sower_using_subcommand init" -s h -l help -d 'Print help'
complete -c sower -n "__fish_sower_using_subcommand help; and not __fish_seen_subcommand_from serve build check why init help" -f -a "serve" -d 'Watch the seeds, publish, serve'
complete -c sower -n "__fish_sower_using_subcommand help; and not __fish_seen_subcommand_from serve build check why init help" -f -a "build" -d 'Publish once into the feeds directory'
complete -c sower -n "__fish_sower_using_subcommand help; and not __fish_seen_subcommand_from serve build check why init help" -f -a "check" -d 'Read the seeds and show every fault with its line'
complete -c sower -n "__fish_sower_using_subcommand help; and not __fish_seen_subcommand_from serve build check why init help" -f -a "why" -d 'Show which feeds carry an entry, or why none does'
complete -c sower -n "__fish_sower_using_subcommand help; and not __fish_seen_subcommand_from serve build check why init help" -f -a "init" -d 'Write a starting sower.yaml and a first seed'
complete -c sower -n "__fish_sower_using_subcommand help; and not __fish_seen_subcommand_from serve build check why init help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
