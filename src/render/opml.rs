//! OPML 2.0: the list of all feeds, for readers that import many at once.

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use crate::feed::Outline;
use crate::render::error::RenderError;
use crate::render::format::Format;
use crate::render::publication::Publication;

/// The path of the list.
pub const PATH: &str = "feeds.opml";
/// The media type. None is registered; readers and the site of the OPML 2.0 specification use this one.
pub const MEDIA_TYPE: &str = "text/x-opml; charset=utf-8";

/// Renders the list of all feeds.
///
/// # Errors
///
/// The library that writes XML refuses.
pub fn render(outlines: &[Outline], publication: &Publication) -> Result<Vec<u8>, RenderError> {
    let mut writer = Writer::new(Vec::new());
    let written =
        writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("utf-8"), None))).and_then(|()| {
            writer.create_element("opml").with_attribute(("version", "2.0")).write_inner_content(|opml| {
                opml.create_element("head").write_inner_content(|head| {
                    head.create_element("title")
                        .write_text_content(BytesText::new(&publication.title))
                        .map(drop)
                })?;
                opml.create_element("body").write_inner_content(|body| {
                    outlines.iter().try_for_each(|outline| write(body, outline, publication))
                })?;
                Ok(())
            })?;
            Ok(())
        });
    written
        .map(|()| writer.into_inner())
        .map_err(|error| RenderError { path: PATH.to_owned(), reason: error.to_string() })
}

/// Writes a feed. One with children is the first item of a folder with its name, since to readers an
/// outline is either a feed or a folder.
fn write(writer: &mut Writer<Vec<u8>>, outline: &Outline, publication: &Publication) -> std::io::Result<()> {
    let name = outline.about.name.as_ref().unwrap_or(&publication.title).as_str();
    if outline.children.is_empty() {
        return subscription(writer, outline, name, publication);
    }
    let folder = writer.create_element("outline").with_attribute(("text", name));
    folder.write_inner_content(|folder| {
        subscription(folder, outline, name, publication)?;
        outline.children.iter().try_for_each(|child| write(folder, child, publication))
    })?;
    Ok(())
}

fn subscription(
    writer: &mut Writer<Vec<u8>>,
    outline: &Outline,
    name: &str,
    publication: &Publication,
) -> std::io::Result<()> {
    let (feed, page) =
        (publication.feed_url(&outline.selection, Format::Atom), publication.site_url(&outline.selection));
    let language = outline.about.language.as_ref().unwrap_or(&publication.language);
    let description = outline.about.description.as_deref();
    let attributes = [
        // OPML 2.0, "Subscription lists": `rss` stands for every format of feeds.
        ("type", "rss"),
        ("text", name),
        ("title", name),
        ("xmlUrl", &feed),
        ("htmlUrl", &page),
        ("language", language),
    ];
    let description = description.map(|text| ("description", text));
    writer
        .create_element("outline")
        .with_attributes(attributes.into_iter().chain(description))
        .write_empty()
        .map(drop)
}
