//! Lexer and parser of templates.

#![no_main]

use flotilla_fuzz::functions;
use gotemplate::TemplateSet;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let mut set = TemplateSet::new(functions());
    match set.parse("t", text) {
        Ok(_) => assert!(set.lookup("t").is_some()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    let _ = TemplateSet::new(functions())
        .with_delims("<", ">>")
        .parse("t", text);
});
