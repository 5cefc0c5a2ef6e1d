//! Templates with all functions over some values.

#![no_main]

use flotilla_fuzz::{data, parsed, run};
use gotemplate::Value;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    if let Some(set) = parsed(text) {
        let data = data();
        run(&set, &data);
        // What contains itself is not freed otherwise.
        Value::take_apart(data);
    }
});
