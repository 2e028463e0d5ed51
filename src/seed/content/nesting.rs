//! How HTML nests: what sanitising it takes grows with depth times length, and elements that format
//! text and are not closed are opened again in every paragraph.

use std::borrow::Cow;
use std::cell::Cell;
use std::rc::Rc;

use html5ever::interface::{ElementFlags, NodeOrText, QuirksMode, TreeSink};
use html5ever::tendril::{StrTendril, TendrilSink};
use html5ever::{Attribute, ExpandedName, LocalName, ParseOpts, QualName, local_name, ns, parse_fragment};

/// Deepest nesting that is sanitised.
const DEEPEST: usize = 256;

/// Most elements of a text: tags are no shorter than `<p>`, and some elements need none.
fn most_elements(text: &str) -> usize {
    text.len() / 3 + 4 * DEEPEST
}

/// Whether elements nest so deeply, or come of so few tags, that sanitising would take long. Only the
/// parser that sanitising uses can tell what closes what.
pub(in crate::seed) fn is_too_deep(text: &str) -> bool {
    if text.matches('<').count() <= DEEPEST {
        return false;
    }
    let context = QualName::new(None, ns!(html), local_name!("div"));
    let mut parser = parse_fragment(Measure::default(), ParseOpts::default(), context, Vec::new(), false);
    text.split_inclusive('>').any(|part| {
        parser.process(StrTendril::from_slice(part));
        let measure = &parser.tokenizer.sink.sink;
        measure.deepest.get() > DEEPEST || measure.elements.get() > most_elements(text)
    })
}

/// A tree of which nothing is kept but how deep it is, and how large.
#[derive(Default)]
struct Measure {
    deepest: Cell<usize>,
    elements: Cell<usize>,
}

type Node = Rc<Place>;

struct Place {
    name: QualName,
    depth: Cell<usize>,
}

fn place(name: QualName) -> Node {
    Rc::new(Place { name, depth: Cell::new(0) })
}

fn nameless() -> Node {
    place(QualName::new(None, ns!(), LocalName::default()))
}

impl Measure {
    fn put(&self, node: NodeOrText<Node>, depth: usize) {
        if let NodeOrText::AppendNode(node) = node {
            node.depth.set(depth);
            self.deepest.set(self.deepest.get().max(depth));
        }
    }
}

impl TreeSink for Measure {
    type Handle = Node;
    type Output = ();
    type ElemName<'a> = ExpandedName<'a>;

    fn create_element(&self, name: QualName, _: Vec<Attribute>, _: ElementFlags) -> Node {
        self.elements.set(self.elements.get() + 1);
        place(name)
    }

    fn append(&self, parent: &Node, child: NodeOrText<Node>) {
        self.put(child, parent.depth.get() + 1);
    }

    fn append_before_sibling(&self, sibling: &Node, node: NodeOrText<Node>) {
        self.put(node, sibling.depth.get());
    }

    fn append_based_on_parent_node(&self, element: &Node, _: &Node, child: NodeOrText<Node>) {
        self.append_before_sibling(element, child);
    }

    fn elem_name<'a>(&'a self, node: &'a Node) -> ExpandedName<'a> {
        node.name.expanded()
    }

    fn same_node(&self, a: &Node, b: &Node) -> bool {
        Rc::ptr_eq(a, b)
    }

    fn get_document(&self) -> Node {
        nameless()
    }

    fn get_template_contents(&self, template: &Node) -> Node {
        template.clone()
    }

    fn create_comment(&self, _: StrTendril) -> Node {
        nameless()
    }

    fn create_pi(&self, _: StrTendril, _: StrTendril) -> Node {
        nameless()
    }

    fn finish(self) {}
    fn parse_error(&self, _: Cow<'static, str>) {}
    fn append_doctype_to_document(&self, _: StrTendril, _: StrTendril, _: StrTendril) {}
    fn set_quirks_mode(&self, _: QuirksMode) {}
    fn add_attrs_if_missing(&self, _: &Node, _: Vec<Attribute>) {}
    fn remove_from_parent(&self, _: &Node) {}
    fn reparent_children(&self, _: &Node, _: &Node) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_closed_does_not_nest() {
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
