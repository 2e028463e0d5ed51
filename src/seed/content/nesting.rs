//! Measures how deeply HTML nests.
//!
//! The time to sanitise grows with depth times length, and the parser opens formatting elements that are not closed
//! again in every paragraph.

use std::borrow::Cow;
use std::cell::Cell;
use std::rc::Rc;

use html5ever::interface::{ElementFlags, NodeOrText, QuirksMode, TreeSink};
use html5ever::tendril::{StrTendril, TendrilSink};
use html5ever::{Attribute, ExpandedName, LocalName, ParseOpts, QualName, local_name, ns, parse_fragment};

/// Deepest nesting that is sanitised.
const MAX_DEPTH: usize = 256;

/// Returns the number of elements that a text may have: tags are no shorter than `<p>`, and some elements need no
/// tag.
fn max_elements(text: &str) -> usize {
    text.len() / 3 + 4 * MAX_DEPTH
}

/// Returns `true` if elements nest too deeply, or are too many for the length of the text. It uses the parser that
/// sanitising uses, since only that knows which tags close which elements.
pub(super) fn is_too_deep(text: &str) -> bool {
    if text.matches('<').count() <= MAX_DEPTH {
        return false;
    }
    let context = QualName::new(None, ns!(html), local_name!("div"));
    let mut parser = parse_fragment(DepthSink::default(), ParseOpts::default(), context, Vec::new(), false);
    text.split_inclusive('>').any(|part| {
        parser.process(StrTendril::from_slice(part));
        let sink = &parser.tokenizer.sink.sink;
        sink.deepest.get() > MAX_DEPTH || sink.elements.get() > max_elements(text)
    })
}

/// A tree that keeps only its depth and its number of elements.
#[derive(Default)]
struct DepthSink {
    deepest: Cell<usize>,
    elements: Cell<usize>,
}

type Handle = Rc<Node>;

struct Node {
    name: QualName,
    depth: Cell<usize>,
}

fn node(name: QualName) -> Handle {
    Rc::new(Node { name, depth: Cell::new(0) })
}

fn nameless() -> Handle {
    node(QualName::new(None, ns!(), LocalName::default()))
}

impl DepthSink {
    fn append_at(&self, node: NodeOrText<Handle>, depth: usize) {
        if let NodeOrText::AppendNode(node) = node {
            node.depth.set(depth);
            self.deepest.set(self.deepest.get().max(depth));
        }
    }
}

impl TreeSink for DepthSink {
    type Handle = Handle;
    type Output = ();
    type ElemName<'a> = ExpandedName<'a>;

    fn create_element(&self, name: QualName, _: Vec<Attribute>, _: ElementFlags) -> Handle {
        self.elements.set(self.elements.get() + 1);
        node(name)
    }

    fn append(&self, parent: &Handle, child: NodeOrText<Handle>) {
        self.append_at(child, parent.depth.get() + 1);
    }

    fn append_before_sibling(&self, sibling: &Handle, node: NodeOrText<Handle>) {
        self.append_at(node, sibling.depth.get());
    }

    fn append_based_on_parent_node(&self, element: &Handle, _: &Handle, child: NodeOrText<Handle>) {
        self.append_before_sibling(element, child);
    }

    fn elem_name<'a>(&'a self, node: &'a Handle) -> ExpandedName<'a> {
        node.name.expanded()
    }

    fn same_node(&self, a: &Handle, b: &Handle) -> bool {
        Rc::ptr_eq(a, b)
    }

    fn get_document(&self) -> Handle {
        nameless()
    }

    fn get_template_contents(&self, template: &Handle) -> Handle {
        template.clone()
    }

    fn create_comment(&self, _: StrTendril) -> Handle {
        nameless()
    }

    fn create_pi(&self, _: StrTendril, _: StrTendril) -> Handle {
        nameless()
    }

    fn finish(self) {}
    fn parse_error(&self, _: Cow<'static, str>) {}
    fn append_doctype_to_document(&self, _: StrTendril, _: StrTendril, _: StrTendril) {}
    fn set_quirks_mode(&self, _: QuirksMode) {}
    fn add_attrs_if_missing(&self, _: &Handle, _: Vec<Attribute>) {}
    fn remove_from_parent(&self, _: &Handle) {}
    fn reparent_children(&self, _: &Handle, _: &Handle) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unclosed_elements_nest() {
        for tags in [
            "<b>",
            "<div></x>",
            "<div><!--</div>-->",
            "<div title='</div>'>",
            "<div><style></div></style>",
            "<rt>",
            "<option><rt>",
            "<ul><li>",
        ] {
            assert!(is_too_deep(&tags.repeat(2000)), "{tags}");
        }
        let fonts: String = (0..200).map(|n| format!("<font a{n}><p>")).collect::<Vec<_>>().concat();
        assert!(is_too_deep(&(fonts + &"<p>x".repeat(20_000))));
        for tags in [
            "<p>a<br>b",
            "<p>a",
            "<div>a</div>",
            "<ul><li>a<li>b</ul>",
            "<b>a</b>",
            "<table><tr><td>a</table>",
            "<b><p>a</b>b</p>",
            "<script>if (a<b && c<d) '<div>'</script>",
            "a < b > c <3 ",
        ] {
            assert!(!is_too_deep(&tags.repeat(2000)), "{tags}");
        }
    }
}
