//! The direction of the imports, between folders and within them, and what the pure modules do without.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::slice;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// Modules that see bytes and values only.
const PURE: [&str; 7] = ["text", "syntax", "seed", "catalog", "feed", "render", "edition"];
/// Paths by which code reaches the network, the file system, other processes and the clock.
const IMPURE: [&str; 16] = [
    "tokio",
    "hyper",
    "hyper_util",
    "http",
    "http_body_util",
    "notify",
    "rustix",
    "socket2",
    "walkdir",
    "std::env",
    "std::fs",
    "std::io",
    "std::net",
    "std::os",
    "std::process",
    "std::thread",
];
/// The items of `std::io` that work in memory too.
const IN_MEMORY: [&str; 3] = ["std::io::Read", "std::io::Result", "std::io::Write"];

/// The segments of a path, from the root of the crate for a path within it.
type Segments = Vec<String>;

/// A path as it is written, and the module in which it is.
struct Written {
    module: Segments,
    segments: Segments,
}

/// A source file without its tests.
struct Module {
    file: String,
    /// Its path in the crate, such as `seed::check` for `src/seed/check/mod.rs`.
    path: Segments,
    /// The modules that it declares, which are files, in order.
    children: Vec<String>,
    /// Every path in it, with those in the braces of a `use` written out.
    written: Vec<Written>,
    /// The path of every item that it imports or re-exports, by the name that it has here.
    imports: Vec<(String, Written)>,
}

impl Module {
    fn read(file: String, path: &Segments) -> Self {
        let text = fs::read_to_string(&file).unwrap();
        let tokens: TokenStream = text.parse().unwrap_or_else(|error| panic!("{file}: {error}"));
        let mut module =
            Self { file, path: path.clone(), children: Vec::new(), written: Vec::new(), imports: Vec::new() };
        module.collect(tokens, path);
        module
    }

    /// Collects the paths and the modules in these tokens, which are part of the module at a path.
    fn collect(&mut self, tokens: TokenStream, path: &Segments) {
        let tokens: Vec<_> = tokens.into_iter().collect();
        let mut rest = &tokens[..];
        while let Some((token, after)) = rest.split_first() {
            rest = match (token, after) {
                (TokenTree::Punct(mark), [TokenTree::Group(attribute), item @ ..])
                    if mark.as_char() == '#' && is_test(&attribute.stream()) =>
                {
                    after_item(item)
                }
                // A visibility such as `pub(in crate::seed)` names a folder and uses nothing of it.
                (TokenTree::Ident(word), [TokenTree::Group(group), after @ ..])
                    if word == "pub" && group.delimiter() == Delimiter::Parenthesis =>
                {
                    after
                }
                (TokenTree::Ident(word), [TokenTree::Ident(name), body, after @ ..]) if word == "mod" => {
                    match body {
                        TokenTree::Group(body) => {
                            let inner = [&path[..], &[name.to_string()]].concat();
                            self.collect(body.stream(), &inner);
                        }
                        _ => self.children.push(name.to_string()),
                    }
                    after
                }
                // Not the bound `use<'a>`.
                (TokenTree::Ident(word), [next, ..]) if word == "use" && !is_mark(next, '<') => {
                    let end = after.iter().position(|token| is_mark(token, ';')).unwrap();
                    for (name, segments) in expand(&after[..end], &[]) {
                        let written = || Written { module: path.clone(), segments: segments.clone() };
                        self.written.push(written());
                        self.imports.push((name, written()));
                    }
                    &after[end..]
                }
                (TokenTree::Ident(_), _) => {
                    let (segments, after) = leading_path(rest);
                    if segments.len() > 1 {
                        self.written.push(Written { module: path.clone(), segments });
                    }
                    after
                }
                (TokenTree::Group(group), _) => {
                    self.collect(group.stream(), path);
                    after
                }
                _ => after,
            };
        }
    }

    /// The path from the root of the crate, or `None` for a path into another crate.
    fn resolve(&self, written: &Written) -> Option<Segments> {
        let (first, mut rest) = written.segments.split_first()?;
        let mut base = match first.as_str() {
            "crate" => &[],
            "self" => &written.module[..],
            "super" => written.module.split_last()?.1,
            child if self.children.iter().any(|name| name == child) => {
                return Some([&written.module, &written.segments[..]].concat());
            }
            name => {
                let is_local =
                    |written: &Written| ["crate", "self", "super"].contains(&&*written.segments[0]);
                let import = self.imports.iter().find(|(known, written)| known == name && is_local(written));
                return Some([self.resolve(&import?.1)?, rest.to_vec()].concat());
            }
        };
        while let Some((first, after)) = rest.split_first()
            && first == "super"
        {
            (base, rest) = (base.split_last()?.1, after);
        }
        Some([base, rest].concat())
    }

    fn uses(&self) -> impl Iterator<Item = Segments> {
        self.written.iter().filter_map(|written| self.resolve(written))
    }

    /// The path of the item that has this name here, if it is defined elsewhere in the crate.
    fn import(&self, name: &str) -> Option<Segments> {
        let (_, written) = self.imports.iter().find(|(known, _)| known == name)?;
        self.resolve(written)
    }
}

fn is_mark(token: &TokenTree, mark: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == mark)
}

/// Returns `true` for the tokens of an attribute such as `cfg(test)`.
fn is_test(attribute: &TokenStream) -> bool {
    let text = attribute.to_string();
    let is_wider = ["not", "any"].iter().any(|word| text.contains(word));
    text.starts_with("cfg") && text.contains("test") && !is_wider
}

/// The tokens after an item, which ends with a semicolon or with its braces.
fn after_item(tokens: &[TokenTree]) -> &[TokenTree] {
    let is_use = tokens.iter().take(3).any(|token| matches!(token, TokenTree::Ident(word) if word == "use"));
    let is_body =
        |token: &TokenTree| matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace);
    let end = tokens.iter().position(|token| is_mark(token, ';') || (!is_use && is_body(token)));
    end.map_or(&[], |end| &tokens[end + 1..])
}

/// The path that these tokens begin with, and the tokens after it.
fn leading_path(tokens: &[TokenTree]) -> (Segments, &[TokenTree]) {
    let (mut segments, mut rest) = (Segments::new(), tokens);
    while let [TokenTree::Ident(segment), after @ ..] = rest {
        segments.push(segment.to_string());
        rest = after;
        match after {
            [first, second, after @ ..] if is_mark(first, ':') && is_mark(second, ':') => rest = after,
            _ => break,
        }
    }
    (segments, rest)
}

/// The paths of a `use`, each with the name that it gives to its item.
fn expand(tokens: &[TokenTree], prefix: &[String]) -> Vec<(String, Segments)> {
    let (segments, rest) = leading_path(tokens);
    let mut path = [prefix, &segments].concat();
    match rest {
        [TokenTree::Group(group), ..] => {
            let tokens: Vec<_> = group.stream().into_iter().collect();
            let parts = tokens.split(|token| is_mark(token, ',')).filter(|part| !part.is_empty());
            return parts.flat_map(|part| expand(part, &path)).collect();
        }
        [star, ..] if is_mark(star, '*') => path.push("*".to_owned()),
        _ => {}
    }
    // In braces, `self` is the module itself.
    if !prefix.is_empty() && path.last().is_some_and(|last| last == "self") {
        path.pop();
    }
    let renamed = match rest {
        [TokenTree::Ident(word), TokenTree::Ident(name), ..] if word == "as" => Some(name.to_string()),
        _ => None,
    };
    let name = renamed.or_else(|| path.last().cloned()).unwrap_or_default();
    vec![(name, path)]
}

/// Every module of the library, by its path.
fn modules() -> BTreeMap<Segments, Module> {
    let mut modules = BTreeMap::new();
    let mut unread = vec![("src/lib.rs".to_owned(), Segments::new())];
    while let Some((file, path)) = unread.pop() {
        let module = Module::read(file, &path);
        for child in &module.children {
            let path = [&path[..], slice::from_ref(child)].concat();
            let place = format!("src/{}", path.join("/"));
            let file = [format!("{place}.rs"), format!("{place}/mod.rs")];
            unread.push((file.into_iter().find(|file| Path::new(file).exists()).unwrap(), path));
        }
        modules.insert(path, module);
    }
    modules
}

/// Returns what is wrong with the use of a path in a module, if anything.
///
/// In the lowest folder that has both of them, the module may use what is declared above it. The folder's own items,
/// in its `mod.rs`, stand below all its files; an item that it only re-exports is that of the file.
fn fault(modules: &BTreeMap<Segments, Module>, user: &Module, used: &Segments) -> Option<String> {
    let common = user.path.iter().zip(used).take_while(|(user, used)| user == used).count();
    if common == user.path.len() {
        return None;
    }
    let folder = &modules[&used[..common]];
    let place_of = |name: &String| folder.children.iter().position(|child| child == name);
    let (file, name) = (&user.file, used.join("::"));
    let Some(next) = used.get(common) else {
        return Some(format!("{file} uses all of its own folder `{name}`"));
    };
    let own = &user.path[common];
    match (place_of(own), place_of(next), folder.import(next)) {
        (Some(own_place), Some(place), _) if own_place < place => {
            Some(format!("{file} uses `{name}`, and {} declares `{next}` below `{own}`", folder.file))
        }
        (_, Some(_), _) => None,
        (_, None, Some(origin)) => fault(modules, user, &[&origin, &used[common + 1..]].concat()),
        (_, None, None) => Some(format!("{file} uses `{name}`, an item of {}", folder.file)),
    }
}

/// Fails with all the faults at once, a line each.
fn assert_none(mut faults: Vec<String>) {
    faults.sort();
    faults.dedup();
    assert!(faults.is_empty(), "{} faults\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn module_uses_only_modules_declared_above_it() {
    let modules = modules();
    assert!(modules.len() > 60, "only {} modules were found", modules.len());
    let faults = modules.values().flat_map(|module| {
        let uses = module.uses().collect::<Vec<_>>();
        uses.into_iter().filter_map(|used| fault(&modules, module, &used)).collect::<Vec<_>>()
    });
    assert_none(faults.collect());
}

#[test]
fn pure_module_touches_no_network_no_files_and_no_clock() {
    let modules = modules();
    let is_pure = |module: &&Module| module.path.first().is_some_and(|top| PURE.contains(&top.as_str()));
    let faults = modules.values().filter(is_pure).flat_map(|module| {
        let paths = module.written.iter().map(|written| written.segments.join("::"));
        let is_impure = |path: &String| {
            let is_in = |impure: &str| path == impure || path.starts_with(&format!("{impure}::"));
            let is_clock = path.ends_with("::now");
            (is_clock || IMPURE.iter().any(|impure| is_in(impure))) && !IN_MEMORY.contains(&path.as_str())
        };
        paths.filter(is_impure).map(|path| format!("{} uses `{path}`", module.file)).collect::<Vec<_>>()
    });
    assert_none(faults.collect());
}

#[test]
fn each_format_is_written_in_its_own_file() {
    let modules = modules();
    // The feed of RSS has a link of Atom, too.
    for (file, parts) in
        [("src/render/atom.rs", ["atom_syndication", "Feed"]), ("src/render/rss.rs", ["rss", "Channel"])]
    {
        // A module of the crate may have the name of a library.
        let is_of_library = |module: &Module, it: &Written| {
            it.segments.starts_with(&parts.map(str::to_owned)) && module.resolve(it).is_none()
        };
        let is_user = |module: &&Module| module.written.iter().any(|it| is_of_library(module, it));
        let users: Vec<_> = modules.values().filter(is_user).map(|module| module.file.as_str()).collect();
        assert_eq!(users, [file], "{parts:?}");
    }
}
