//! The template engine.

use std::sync::LazyLock;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{Environment, Error, Output, State, UndefinedBehavior, escape_formatter};
use serde::Serialize;

static TEMPLATES: LazyLock<Result<Environment<'static>, Error>> = LazyLock::new(|| {
    let mut templates = templates()?;
    templates.add_template("layout.html", include_str!("../pages/layout.html"))?;
    templates.add_template("subscribe.html", include_str!("../pages/subscribe.html"))?;
    templates.add_template("choices.html", include_str!("../pages/choices.html"))?;
    templates.add_template("home.html", include_str!("../pages/home.html"))?;
    templates.add_template("feed.html", include_str!("../pages/feed.html"))?;
    templates.add_template("missing.html", include_str!("../pages/missing.html"))?;
    Ok(templates)
});

/// Creates an empty environment. Values in templates whose names end with `.html` are escaped.
///
/// # Errors
///
/// The library refuses the syntax, which is a constant.
pub fn templates() -> Result<Environment<'static>, Error> {
    let mut templates = Environment::new();
    templates.set_undefined_behavior(UndefinedBehavior::Strict);
    templates.set_formatter(write_escaped);
    templates.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    Ok(templates)
}

/// Escapes text as in content. The library's own escaping would write every slash of an address in six
/// characters.
fn write_escaped(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    match value.as_str() {
        Some(text) if !value.is_safe() => Ok(out.write_str(&htmlize::escape_all_quotes(text))?),
        _ => escape_formatter(out, state, value),
    }
}

/// Renders a page.
pub(super) fn render_template(template: &str, page: &impl Serialize) -> Result<Vec<u8>, String> {
    let text = TEMPLATES.as_ref().map_err(ToString::to_string).and_then(|templates| {
        let template = templates.get_template(template).map_err(|error| error.to_string())?;
        template.render(Serde(page)).map_err(|error| error.to_string())
    });
    text.map(String::into_bytes)
}
