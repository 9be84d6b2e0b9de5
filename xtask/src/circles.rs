//! Circles between files: a file that takes something from another one, which takes something from the first, be it over others.
//!
//! What a file takes is read off its `use` lines and the paths in its code; what a module only passes on (`pub use`) counts for the file that
//! defines it. Code of tests is left out, and so is what stands inside a macro call.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use syn::visit::{self, Visit};

/// A module's path within its crate, without `crate`; empty for the root.
type Module = Vec<String>;

/// Fails with all circles of all crates.
pub(crate) fn check() -> Result<()> {
    let mut told = Vec::new();
    for root in roots()? {
        let sources = Sources::read(&root)?;
        for circle in circles(&sources.arrows()) {
            told.push(format!("{}: {}", root.display(), describe(&sources, &circle)));
        }
    }
    if told.is_empty() {
        return Ok(());
    }
    bail!("{} circles between files:\n{}", told.len(), told.join("\n"))
}

/// The folder of each library and program.
fn roots() -> Result<Vec<PathBuf>> {
    let mut roots: Vec<PathBuf> =
        folders(Path::new("crates"))?.iter().map(|krate| krate.join("src")).collect();
    roots.push("xtask/src".into());
    roots.extend(folders(Path::new("xtask/src/bin"))?);
    roots.push("examples/eighth-adapter/src".into());
    Ok(roots)
}

fn folders(parent: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(parent).with_context(|| format!("cannot list {}", parent.display()))? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// The files of one crate.
struct Sources {
    files: BTreeMap<Module, File>,
}

/// What one file defines, passes on and takes.
#[derive(Default)]
struct File {
    path: PathBuf,
    defines: BTreeSet<String>,
    /// By the name that it is passed on under.
    passes_on: BTreeMap<String, Module>,
    /// What of others it passes on as a whole.
    globs: Vec<Module>,
    takes: Vec<Module>,
}

impl Sources {
    fn read(root: &Path) -> Result<Self> {
        let mut files = BTreeMap::new();
        read_folder(root, &[], &mut files)?;
        Ok(Self { files })
    }

    /// Who takes something from whom.
    fn arrows(&self) -> BTreeMap<&Module, BTreeSet<&Module>> {
        let mut arrows: BTreeMap<&Module, BTreeSet<&Module>> = BTreeMap::new();
        for (module, file) in &self.files {
            let targets = arrows.entry(module).or_default();
            targets.extend(
                file.takes.iter().filter_map(|path| self.definer(path, 8)).filter(|to| *to != module),
            );
        }
        arrows
    }

    /// The file that defines what the path names, through at most so many files that pass it on.
    fn definer(&self, path: &[String], steps: u8) -> Option<&Module> {
        let (module, rest) = (0..=path.len()).rev().find_map(|length| {
            let (module, rest) = path.split_at(length);
            self.files.get_key_value(module).map(|(module, _)| (module, rest))
        })?;
        let file = self.files.get(module)?;
        let Some((name, members)) = rest.split_first() else { return Some(module) };
        if file.defines.contains(name) || steps == 0 {
            return Some(module);
        }
        let on = |target: &Module| [target.as_slice(), members].concat();
        if let Some(target) = file.passes_on.get(name) {
            return self.definer(&on(target), steps - 1);
        }
        let by_glob = file.globs.iter().find_map(|target| {
            let inside: Module = [target.as_slice(), rest].concat();
            let definer = self.definer(&inside, steps - 1)?;
            self.files.get(definer)?.defines.contains(name).then_some(definer)
        });
        Some(by_glob.unwrap_or(module))
    }
}

fn read_folder(folder: &Path, module: &[String], files: &mut BTreeMap<Module, File>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry?.path();
        let Some(stem) = path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned) else { continue };
        if path.is_dir() {
            let is_programs = module.is_empty() && stem == "bin";
            if !is_programs && !stem.ends_with("tests") {
                read_folder(&path, &[module, &[stem]].concat(), files)?;
            }
            continue;
        }
        if path.extension().is_none_or(|extension| extension != "rs") || stem.ends_with("tests") {
            continue;
        }
        let own = if ["lib", "main", "mod"].contains(&stem.as_str()) {
            module.to_vec()
        } else {
            [module, &[stem]].concat()
        };
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let parsed = syn::parse_file(&text).with_context(|| format!("cannot parse {}", path.display()))?;
        let mut reader = Reader { module: own.clone(), file: File { path, ..File::default() } };
        reader.visit_file(&parsed);
        files.insert(own, reader.file);
    }
    Ok(())
}

/// Reads one file.
struct Reader {
    /// Where we are: the file's module, then those that stand inside it.
    module: Module,
    file: File,
}

impl Reader {
    /// The path from the root of the crate; `None` for one of another crate.
    fn absolute(&self, path: &[String]) -> Option<Module> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => Some(rest.to_vec()),
            "self" => Some([&self.module, rest].concat()),
            "super" => {
                let above = path.iter().take_while(|segment| *segment == "super").count();
                let kept = self.module.len().checked_sub(above)?;
                Some([self.module.get(..kept)?, path.get(above..)?].concat())
            }
            // Perhaps a module of ours, below; else it is another crate's and found nowhere.
            _ => Some([&self.module, path].concat()),
        }
    }

    fn take_use(&mut self, tree: &syn::UseTree, before: &[String], passed_on: bool) {
        let (name, path, glob) = match tree {
            syn::UseTree::Path(path) => {
                let longer = [before, &[path.ident.to_string()]].concat();
                return self.take_use(&path.tree, &longer, passed_on);
            }
            syn::UseTree::Group(group) => {
                return group.items.iter().for_each(|item| self.take_use(item, before, passed_on));
            }
            syn::UseTree::Name(name) if name.ident == "self" => {
                (before.last().cloned().unwrap_or_default(), before.to_vec(), false)
            }
            syn::UseTree::Name(name) => {
                (name.ident.to_string(), [before, &[name.ident.to_string()]].concat(), false)
            }
            syn::UseTree::Rename(rename) => {
                (rename.rename.to_string(), [before, &[rename.ident.to_string()]].concat(), false)
            }
            syn::UseTree::Glob(_) => (String::new(), before.to_vec(), true),
        };
        let Some(target) = self.absolute(&path) else { return };
        match (passed_on, glob) {
            (true, true) => self.file.globs.push(target),
            (true, false) => {
                self.file.passes_on.insert(name, target);
            }
            (false, _) => self.file.takes.push(target),
        }
    }
}

impl<'ast> Visit<'ast> for Reader {
    #[expect(clippy::wildcard_enum_match_arm, reason = "what else there is defines and takes nothing")]
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let (attributes, name) = match item {
            syn::Item::Const(item) => (&item.attrs, Some(&item.ident)),
            syn::Item::Enum(item) => (&item.attrs, Some(&item.ident)),
            syn::Item::Fn(item) => (&item.attrs, Some(&item.sig.ident)),
            syn::Item::Impl(item) => (&item.attrs, None),
            syn::Item::Macro(item) => (&item.attrs, item.ident.as_ref()),
            syn::Item::Mod(item) => (&item.attrs, None),
            syn::Item::Static(item) => (&item.attrs, Some(&item.ident)),
            syn::Item::Struct(item) => (&item.attrs, Some(&item.ident)),
            syn::Item::Trait(item) => (&item.attrs, Some(&item.ident)),
            syn::Item::Type(item) => (&item.attrs, Some(&item.ident)),
            syn::Item::Use(item) => (&item.attrs, None),
            _ => return,
        };
        if attributes.iter().any(is_for_tests) {
            return;
        }
        self.file.defines.extend(name.map(ToString::to_string));
        match item {
            syn::Item::Use(item) => {
                let passed_on = !matches!(item.vis, syn::Visibility::Inherited);
                self.take_use(&item.tree, &[], passed_on);
            }
            syn::Item::Mod(inner) if inner.content.is_some() => {
                self.module.push(inner.ident.to_string());
                visit::visit_item_mod(self, inner);
                self.module.pop();
            }
            other => visit::visit_item(self, other),
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !item.attrs.iter().any(is_for_tests) {
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if segments.len() > 1 && path.leading_colon.is_none() {
            self.file.takes.extend(self.absolute(&segments));
        }
        visit::visit_path(self, path);
    }

    fn visit_vis_restricted(&mut self, _: &'ast syn::VisRestricted) {
        // `pub(in …)` and `pub(super)` take nothing.
    }
}

/// `#[cfg(test)]`, alone or among others.
fn is_for_tests(attribute: &syn::Attribute) -> bool {
    let syn::Meta::List(list) = &attribute.meta else { return false };
    list.path.is_ident("cfg")
        && list.tokens.to_string().split(|c: char| !c.is_alphanumeric()).any(|word| word == "test")
}

/// The groups of more than one file each of which can be reached from each (Tarjan).
fn circles<'a>(arrows: &BTreeMap<&'a Module, BTreeSet<&'a Module>>) -> Vec<Vec<&'a Module>> {
    let mut search = Search { arrows, seen: BTreeMap::new(), stack: Vec::new(), found: Vec::new() };
    for module in arrows.keys() {
        if !search.seen.contains_key(module) {
            search.visit(module);
        }
    }
    search.found
}

struct Search<'s, 'a> {
    arrows: &'s BTreeMap<&'a Module, BTreeSet<&'a Module>>,
    /// The number at which a file was met.
    seen: BTreeMap<&'a Module, usize>,
    stack: Vec<&'a Module>,
    found: Vec<Vec<&'a Module>>,
}

impl<'a> Search<'_, 'a> {
    /// Answers the lowest number that can be reached from here.
    fn visit(&mut self, module: &'a Module) -> usize {
        let number = self.seen.len();
        self.seen.insert(module, number);
        self.stack.push(module);
        let mut lowest = number;
        for target in self.arrows.get(module).into_iter().flatten() {
            match self.seen.get(target) {
                None => lowest = lowest.min(self.visit(target)),
                Some(met) if self.stack.contains(target) => lowest = lowest.min(*met),
                Some(_) => {}
            }
        }
        if lowest == number {
            let from = self.stack.iter().position(|waiting| *waiting == module).unwrap_or(self.stack.len());
            let group = self.stack.split_off(from);
            if group.len() > 1 {
                self.found.push(group);
            }
        }
        lowest
    }
}

/// The arrows within a circle, a line each.
fn describe(sources: &Sources, circle: &[&Module]) -> String {
    let members: BTreeSet<&Module> = circle.iter().copied().collect();
    let name = |module: &Module| {
        sources.files.get(module).map_or_else(String::new, |file| file.path.display().to_string())
    };
    let mut lines = vec![format!("{} files", members.len())];
    for (from, targets) in sources.arrows().iter().filter(|(from, _)| members.contains(*from)) {
        let within: Vec<String> =
            targets.iter().filter(|to| members.contains(*to)).map(|to| name(to)).collect();
        lines.push(format!("    {} -> {}", name(from), within.join(", ")));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(files: &[(&str, &str)]) -> Vec<Vec<String>> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let sources = Sources::read(folder.path()).unwrap();
        let found = circles(&sources.arrows());
        found.iter().map(|circle| circle.iter().map(|module| module.join("::")).collect()).collect()
    }

    #[test]
    fn two_files_that_take_from_each_other_are_a_circle() {
        let there = ("a.rs", "use crate::b::B; pub struct A(B);");
        let back = ("b.rs", "pub struct B; fn f() { let _: Option<super::a::A> = None; }");
        assert_eq!(told(&[("lib.rs", "mod a; mod b;"), there, back]), [["a", "b"]]);
        assert!(told(&[("lib.rs", "mod a; mod b;"), there, ("b.rs", "pub struct B;")]).is_empty());
    }

    #[test]
    fn what_is_passed_on_counts_for_the_file_that_defines_it() {
        let lib = ("lib.rs", "mod a; mod b; pub use a::A; pub use b::B;");
        assert!(
            told(&[lib, ("a.rs", "use crate::B; pub struct A(B);"), ("b.rs", "pub struct B;")]).is_empty()
        );
        let back = ("b.rs", "use crate::A; pub struct B; fn f(_: A) {}");
        assert_eq!(told(&[lib, ("a.rs", "use crate::B; pub struct A(B);"), back]), [["a", "b"]]);
    }

    #[test]
    fn a_parent_that_is_used_by_its_child_is_a_circle() {
        let parent = ("a/mod.rs", "mod child; pub struct Parent; fn f() { child::g() }");
        let child = ("a/child.rs", "use super::Parent; pub fn g() {}");
        assert_eq!(told(&[("lib.rs", "mod a;"), parent, child]), [["a", "a::child"]]);
    }

    #[test]
    fn tests_take_what_they_like() {
        let there = ("a.rs", "use crate::b::B; pub struct A(B);");
        let back = ("b.rs", "pub struct B; #[cfg(test)] mod tests { use crate::a::A; }");
        assert!(told(&[("lib.rs", "mod a; mod b;"), there, back]).is_empty());
    }
}
