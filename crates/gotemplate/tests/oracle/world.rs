//! The data and functions of `tools/oracle/gotemplate/data.go`.

use std::any::Any;
use std::rc::Rc;
use std::sync::Arc;

use gotemplate::{
    Args, CallError, Context, Function, Functions, Int, IntKind, List, Map, Method, NamedType,
    Native, Rest, Signature, Str, Type, Value, gofmt, strconv,
};

static VALUES: NamedType = NamedType {
    name: "main.Values",
    underlying: Type::MAP,
    methods: &[
        Method {
            name: "Size",
            signature: Signature {
                params: &[],
                variadic: None,
                result: Type::INT,
            },
            call: |_, receiver, _| Ok(Value::int(receiver.as_map().map_or(0, Map::len) as i64)),
        },
        Method {
            name: "Get",
            signature: Signature {
                params: &[Type::String],
                variadic: None,
                result: Type::Interface,
            },
            call: |_, receiver, args| {
                let key: Str = args.take();
                let value = receiver.as_map().and_then(|map| map.get(&key));
                value.ok_or_else(|| CallError::text(format!("no key {}", strconv::quote(&key))))
            },
        },
        Method {
            name: "Join",
            signature: Signature {
                params: &[Type::String],
                variadic: Some(Type::String),
                result: Type::String,
            },
            call: |_, _, args| {
                let separator: Str = args.take();
                let parts: Rest<Str> = args.take();
                Ok(Value::Str(join(&separator, &parts.0)))
            },
        },
    ],
};
static VALUES_TYPE: Type = Type::Named(&VALUES);
static INTS_TYPE: Type = Type::Slice(&Type::INT);

static PLAIN: NamedType = NamedType {
    name: "main.Plain",
    underlying: Type::Struct,
    methods: &[Method {
        name: "Double",
        signature: Signature {
            params: &[Type::INT],
            variadic: None,
            result: Type::INT,
        },
        call: |_, receiver, args| {
            let by: Int = args.take();
            Ok(Value::int(
                receiver
                    .as_native::<Plain>()
                    .map_or(0, |plain| plain.n * by.0),
            ))
        },
    }],
};
static VERSION: NamedType = NamedType {
    name: "main.Version",
    underlying: Type::Struct,
    methods: &[text_method("String")],
};
static ERROR: NamedType = NamedType {
    name: "errors.errorString",
    underlying: Type::Struct,
    methods: &[text_method("Error")],
};

const fn text_method(name: &'static str) -> Method {
    Method {
        name,
        signature: Signature {
            params: &[],
            variadic: None,
            result: Type::String,
        },
        call: |_, receiver, _| match receiver {
            Value::Native(native) => Ok(Value::Str(native.text().unwrap_or_default())),
            _ => Ok(Value::Nil),
        },
    }
}

struct Plain {
    name: &'static str,
    n: i64,
    any: Value,
    pointer: bool,
}

impl Native for Plain {
    fn named_type(&self) -> &'static NamedType {
        &PLAIN
    }

    fn is_pointer(&self) -> bool {
        self.pointer
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("Name", self.name.into()),
            ("N", Value::int(self.n)),
            ("Any", self.any.clone()),
        ]
    }

    fn field_is_interface(&self, name: &str) -> bool {
        name == "Any"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

struct Version {
    major: &'static str,
    minor: &'static str,
}

impl Native for Version {
    fn named_type(&self) -> &'static NamedType {
        &VERSION
    }

    fn is_pointer(&self) -> bool {
        true
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        vec![("Major", self.major.into()), ("Minor", self.minor.into())]
    }

    fn text(&self) -> Option<Str> {
        Some(format!("v{}.{}", self.major, self.minor).into())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// `errors.New`: its only field is not exported, but printing shows it.
struct TextError(&'static str);

impl Native for TextError {
    fn named_type(&self) -> &'static NamedType {
        &ERROR
    }

    fn is_pointer(&self) -> bool {
        true
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        vec![("s", self.0.into())]
    }

    fn text(&self) -> Option<Str> {
        Some(self.0.into())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn join(separator: &[u8], parts: &[Str]) -> Str {
    let parts: Vec<&[u8]> = parts.iter().map(Str::as_bytes).collect();
    parts.join(separator).into()
}

fn map(entries: Vec<(&str, Value)>) -> Value {
    Value::Map(Map::from_iter(entries))
}

fn ints(kind: IntKind, value: i64) -> Value {
    Value::Int(kind, value)
}

pub(crate) fn data() -> Value {
    let mut entries = vec![
        ("s", "hello".into()),
        ("empty", "".into()),
        ("uni", "h\u{e9}llo, \u{4e16}\u{754c} \u{1f600}".into()),
        ("cut", Value::str(&b"h\xc3"[..])),
        ("quote", "a\"b'c\\`".into()),
        ("html", "<a href='x'>&\"=</a>".into()),
        ("ctl", "a\nb\tc\0d\x7f\u{2028}".into()),
        ("t", true.into()),
        ("b", false.into()),
        ("nil", Value::Nil),
        ("c", Value::Complex(Box::new((1.0, -2.0)))),
    ];
    entries.extend(numbers());
    entries.extend(containers());
    entries.extend(objects());
    map(entries)
}

fn numbers() -> Vec<(&'static str, Value)> {
    vec![
        ("i", Value::int(42)),
        ("neg", Value::int(-7)),
        ("zero", Value::int(0)),
        ("i8", ints(IntKind::Int8, -128)),
        ("i32", ints(IntKind::Int32, 65)),
        ("i64", Value::int64(1 << 40)),
        ("u", ints(IntKind::Uint, 7)),
        ("u8", ints(IntKind::Uint8, 200)),
        ("u64", ints(IntKind::Uint64, i64::MIN + 5)),
        ("f", 3.5.into()),
        ("one", 1.0.into()),
        ("million", 1e6.into()),
        ("big", 12_345_678.0.into()),
        ("tiny", 1e-7.into()),
        ("fneg", (-2.25).into()),
        ("inf", f64::INFINITY.into()),
        ("nan", f64::NAN.into()),
        ("huge", 1e21.into()),
        ("fzero", 0.0.into()),
    ]
}

fn containers() -> Vec<(&'static str, Value)> {
    let list = Value::list(vec![
        "a".into(),
        Value::int(1),
        2.5.into(),
        Value::Nil,
        true.into(),
        Value::list(vec!["x".into()]),
    ]);
    let numbers = [3, 1, 2].map(Value::int).to_vec();
    let named = Map::from_iter([
        ("k", Value::from("v")),
        ("Size", "shadowed".into()),
        ("n", Value::Nil),
    ]);
    let strings = Map::from_iter([("x", "1"), ("y", "")]);
    let nested = map(vec![("k", "v".into()), ("n", Value::Nil)]);
    vec![
        ("list", list),
        ("elist", Value::list(vec![])),
        ("nilList", Value::List(List::nil(&Type::LIST))),
        ("strs", Value::strings(["c", "a", "b"])),
        ("ints", Value::List(List::typed(&INTS_TYPE, numbers))),
        ("bytes", Value::Bytes("abc".into())),
        (
            "m",
            map(vec![
                ("b", Value::int(2)),
                ("a", "x".into()),
                ("nested", nested),
            ]),
        ),
        ("em", map(vec![])),
        ("nilMap", Value::Map(Map::nil(&Type::MAP))),
        ("strMap", Value::Map(strings.retyped(&Type::STRING_MAP))),
        ("named", Value::Map(named.retyped(&VALUES_TYPE))),
    ]
}

fn objects() -> Vec<(&'static str, Value)> {
    let plain = |name, n, any, pointer| {
        Value::Native(Rc::new(Plain {
            name,
            n,
            any,
            pointer,
        }))
    };
    let function = Function::new(
        "fn",
        Signature {
            params: &[Type::INT],
            variadic: Some(Type::String),
            result: Type::String,
        },
        Box::new(|_, args: &mut Args| {
            let first: Int = args.take();
            let rest: Rest<Value> = args.take();
            let rest = Value::List(List::typed(&Type::STRINGS, rest.0));
            Ok(Value::Str(
                gofmt::sprint(&[Value::int(first.0), rest])?.into(),
            ))
        }),
    );
    vec![
        ("plain", plain("p", 3, Value::Nil, false)),
        ("ptr", plain("q", 4, "z".into(), true)),
        (
            "version",
            Value::Native(Rc::new(Version {
                major: "1",
                minor: "30",
            })),
        ),
        ("err", Value::Native(Rc::new(TextError("an error")))),
        ("fn", Value::Func(Arc::new(function))),
    ]
}

pub(crate) fn functions() -> Functions {
    let mut functions = Functions::new();
    functions
        .add("any", |value: Value| value)
        .add("str", |text: Str| text)
        .add("int", |value: Int| value)
        .add("int64", |value: i64| value)
        .add("float", |value: f64| value)
        .add("boolean", |value: bool| value)
        .add("anys", |list: List| Int(list.len() as i64))
        .add("dict", |map: Map| Int(map.len() as i64))
        .add("mkdict", |items: Rest<Value>| -> Result<Map, CallError> {
            let map = Map::new();
            for pair in items.0.chunks_exact(2) {
                map.insert(gofmt::sprint(&pair[..1])?, pair[1].clone())?;
            }
            Ok(map)
        })
        .add("mklist", |items: Rest<Value>| items.0)
        .add("joined", |separator: Str, parts: Rest<Str>| {
            join(&separator, &parts.0)
        })
        .add("ints", |first: Int, rest: Rest<Int>| {
            Int(first.0 + rest.0.len() as i64)
        })
        .add("nothing", || Value::Nil)
        .add("nildict", || Map::nil(&Type::MAP))
        .add("fail", |text: Str| -> Result<Str, CallError> {
            Err(CallError::text(text.to_string()))
        })
        .add("panics", |text: Str| -> Result<Str, CallError> {
            Err(CallError::text(text.to_string()))
        })
        .add(
            "set",
            |map: Map, key: Str, value: Value| -> Result<Map, CallError> {
                map.insert(key, value)?;
                Ok(map)
            },
        )
        .add("typeOf", |value: Value| value.type_name().into_owned())
        .add("truncate", |n: Int, text: Str| {
            Str::from(&text[..n.0 as usize])
        })
        .add_with_context(
            "include",
            |ctx: &mut Context<'_>, name: Str, data: Value| {
                ctx.execute(&name.to_str_lossy(), &data)
                    .map_err(CallError::from)
            },
        )
        .add_with_context("tpl", tpl);
    functions
}

#[allow(clippy::needless_pass_by_value)]
fn tpl(ctx: &mut Context<'_>, text: Str, data: Value) -> Result<Str, CallError> {
    let quoted = strconv::quote(&text);
    let mut set = ctx.set().child();
    let template = set.parse("tpl", text.clone()).map_err(|error| {
        CallError::from(*error).context(format!("cannot parse template {quoted}"))
    })?;
    ctx.execute_in(&Arc::new(set), &template, &data)
        .map_err(|error| CallError::from(error).context(format!("error during tpl for {quoted}")))
}
