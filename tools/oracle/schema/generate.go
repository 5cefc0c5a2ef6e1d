package main

import (
	"encoding/json"
	"io"
	"math/rand/v2"
	"strconv"
)

// generate writes random cases: schemas over all keywords and drafts, some of them wrong, and values near them.
func generate(out io.Writer, seed uint64, count int) error {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	for i := range count {
		g := &generator{Rand: rand.New(rand.NewPCG(seed, uint64(i)))}
		schema, err := json.Marshal(g.root())
		if err != nil {
			return err
		}
		if err := encoder.Encode(testCase{Schema: schema, Values: g.values()}); err != nil {
			return err
		}
	}
	return nil
}

type generator struct {
	*rand.Rand
	draft int
	// left bounds the number of schemas.
	left int
	// wrong allows what metaschemas refuse.
	wrong bool
}

func pick[T any](g *generator, from ...T) T {
	return from[g.IntN(len(from))]
}

func (g *generator) chance(percent int) bool {
	return g.IntN(100) < percent
}

var drafts = map[int][]string{
	4:    {"http://json-schema.org/draft-04/schema#", "http://json-schema.org/draft-04/schema"},
	6:    {"http://json-schema.org/draft-06/schema#", "https://json-schema.org/draft-06/schema"},
	7:    {"http://json-schema.org/draft-07/schema#", "https://json-schema.org/draft-07/schema#"},
	2019: {"https://json-schema.org/draft/2019-09/schema"},
	2020: {"https://json-schema.org/draft/2020-12/schema", "https://json-schema.org/schema"},
}

var names = []string{"a", "b", "c", "image", "x/y", "p~q", "é", "", "a b", "port%", "$ref", "0"}

func (g *generator) name() string { return pick(g, names...) }

func (g *generator) someName() string { return names[g.IntN(5)] }

func (g *generator) root() any {
	g.left = 2 + g.IntN(14)
	g.wrong = g.chance(20)
	g.draft = pick(g, 4, 6, 7, 7, 2019, 2020, 2020, 2020)
	if g.wrong && g.chance(8) {
		return pick[any](g, true, false, nil, 3, "x", []any{}, map[string]any{})
	}
	schema, ok := g.schema(0).(map[string]any)
	if !ok {
		schema = map[string]any{}
	}
	if g.chance(80) {
		properties := map[string]any{}
		for range 1 + g.IntN(3) {
			properties[g.someName()] = g.schema(1)
		}
		schema["properties"] = properties
	}
	if g.draft != 2020 || g.chance(30) {
		schema["$schema"] = pick(g, drafts[g.draft]...)
	}
	if g.wrong && g.chance(20) {
		schema["$schema"] = pick(g, "file:///values.schema.json", "nothing",
			"https://json-schema.org/draft/2020-12/meta/applicator", "https://json-schema.org/draft/2019-09/meta/validation",
			"https://json-schema.org/draft/2020-12/meta/validation", "http://json-schema.org/draft-07", "urn:x:y", "a:%zz", "ftp://h/x")
	}
	if g.chance(60) || !g.wrong {
		definitions := map[string]any{}
		for _, name := range names[:1+g.IntN(4)] {
			definitions[name] = g.schema(1)
		}
		if !g.wrong {
			schema["definitions"] = definitions
		} else {
			schema[pick(g, "definitions", "$defs", "unknown")] = definitions
		}
	}
	return schema
}

// schema makes a schema; some are of wrong kinds.
func (g *generator) schema(depth int) any {
	g.left--
	if depth > 0 && (g.left < 0 || g.chance(12)) {
		if g.draft == 4 && !g.wrong {
			return map[string]any{}
		}
		return pick[any](g, true, false, map[string]any{}, true, g.simple())
	}
	schema := map[string]any{}
	for range 1 + g.IntN(3) {
		g.keyword(schema, depth)
	}
	return schema
}

// falseOr makes a schema that often refuses all.
func (g *generator) falseOr(depth int) any {
	if g.chance(40) && (g.draft > 4 || g.wrong) {
		return false
	}
	return g.schema(depth + 1)
}

// simple makes a schema without schemas in it.
func (g *generator) simple() any {
	return map[string]any{"type": pick[any](g, "string", "integer", "number", "object", "array", "boolean", "null")}
}

func (g *generator) keyword(schema map[string]any, depth int) {
	switch g.IntN(24) {
	case 0, 1:
		schema["type"] = pick[any](g, "string", "integer", "number", "object", "array", "boolean", "null", []any{"string", "null"},
			[]any{"integer", "array", "object"}, []any{"number", "boolean"}, g.or("text", "object"), g.or([]any{}, "string"))
	case 2:
		var values []any
		for range 1 + g.IntN(3) {
			values = append(values, g.literal())
		}
		schema["enum"] = values
	case 3:
		schema["const"] = g.literal()
	case 4, 5:
		keyword := pick(g, "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
		schema[keyword] = g.bound(keyword)
		if g.draft == 4 && g.chance(50) {
			schema["minimum"], schema["exclusiveMinimum"] = g.number(), g.chance(70)
		}
	case 6:
		keyword := pick(g, "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties")
		schema[keyword] = g.size()
	case 7:
		schema["pattern"] = g.pattern()
	case 8:
		schema["format"] = pick(g, "regex", "json-pointer", "relative-json-pointer", "uuid", "duration", "period", "ipv4", "ipv6",
			"hostname", "email", "date", "time", "date-time", "uri", "iri", "uri-reference", "uri-template", "semver", "idn-email", "x")
	case 9, 10:
		schema["required"] = pick[any](g, []any{g.name()}, []any{g.name(), "c"}, g.or([]any{}, []any{"b"}), []any{"a", "b", "c"}, g.or("a", []any{"a"}))
	case 11, 12:
		properties := map[string]any{}
		for range g.IntN(4) {
			properties[g.name()] = g.schema(depth + 1)
		}
		schema["properties"] = properties
	case 13:
		schema["patternProperties"] = map[string]any{g.pattern(): g.schema(depth + 1), pick(g, "^a", "b$", ".", "[a-c]"): g.schema(depth + 1)}
	case 14:
		schema[pick(g, "additionalProperties", "unevaluatedProperties", "propertyNames")] = g.falseOr(depth)
	case 15:
		schema[pick(g, "items", "additionalItems", "unevaluatedItems")] = g.falseOr(depth)
	case 16:
		keyword := "items"
		if g.draft == 2020 || g.wrong && g.chance(50) {
			keyword = "prefixItems"
		}
		schema[keyword] = g.schemas(depth)
	case 17:
		schema["contains"] = g.schema(depth + 1)
		if g.chance(50) {
			schema[pick(g, "minContains", "maxContains")] = g.IntN(3)
		}
		schema["uniqueItems"] = g.chance(50)
	case 18, 19:
		schema[pick(g, "allOf", "anyOf", "oneOf")] = g.schemas(depth)
	case 20:
		schema["not"] = g.schema(depth + 1)
	case 21:
		schema["if"], schema["then"], schema["else"] = g.schema(depth+1), g.schema(depth+1), g.schema(depth+1)
	case 22:
		schema[pick(g, "dependencies", "dependentRequired", "dependentSchemas")] = map[string]any{
			g.name(): pick[any](g, []any{g.name(), g.name()}, g.schema(depth+1)), g.name(): []any{g.name()}}
		if !g.wrong {
			delete(schema, "dependentRequired")
			delete(schema, "dependentSchemas")
			schema["dependencies"] = map[string]any{g.name(): []any{g.someName()}, g.someName(): g.schema(depth + 1)}
			if g.draft >= 2019 {
				schema["dependentSchemas"] = map[string]any{g.someName(): g.schema(depth + 1)}
				schema["dependentRequired"] = map[string]any{g.someName(): []any{"a", "b"}}
			}
		}
	case 23:
		if g.wrong {
			g.wildReference(schema)
		} else {
			g.reference(schema)
		}
	}
}

// or gives the first only where wrong schemas are wanted.
func (g *generator) or(wrong, right any) any {
	if g.wrong {
		return wrong
	}
	return right
}

func (g *generator) reference(schema map[string]any) {
	switch g.IntN(6) {
	case 0, 1, 2:
		schema["$ref"] = "#/definitions/" + pick(g, "a", "a", "b", "c")
	case 3:
		schema["$ref"] = pick(g, "#", "#/properties/a", "#/definitions/a/properties/a")
	case 4:
		keyword := "$id"
		if g.draft == 4 {
			keyword = "id"
		}
		schema[keyword] = strconv.Itoa(g.IntN(1000))
	case 5:
		schema["$recursiveRef"], schema["$recursiveAnchor"] = "#", g.chance(50)
		schema["$dynamicRef"], schema["$anchor"] = "#", "n"+strconv.Itoa(g.IntN(1000))
	}
}

func (g *generator) wildReference(schema map[string]any) {
	definitions := pick(g, "definitions", "$defs", "unknown")
	switch g.IntN(8) {
	case 0, 1, 2:
		schema["$ref"] = "#/" + definitions + "/" + pick(g, "a", "b", "c", "image", "x~1y")
	case 3:
		schema["$ref"] = pick(g, "#", "#/properties/a", "#/properties/b/items/0", "#/%zz", "#nowhere", "other.json", "file:///dir/x.json#/a",
			"http://json-schema.org/draft-07/schema#", "https://json-schema.org/draft/2020-12/schema", "urn:a:b", "ftp://h", "a:b", ":", "#/~2",
			"http://json-schema.org/draft-04", "#/required", "x#here")
	case 4:
		schema[pick(g, "$id", "id")] = pick(g, "x", "sub/y.json", "http://h/z", "#here", "x#here", "urn:u", ":", "#%zz")
	case 5:
		schema[pick(g, "$anchor", "$dynamicAnchor")] = pick(g, "here", "there")
	case 6:
		schema["$recursiveRef"], schema["$recursiveAnchor"] = "#", g.chance(50)
	case 7:
		schema[pick(g, "$ref", "$dynamicRef")] = pick(g, "#here", "#there", "x#here")
	}
}

func (g *generator) schemas(depth int) []any {
	schemas := []any{}
	for range g.IntN(4) + int(g.or(int64(0), int64(1)).(int64)) {
		schemas = append(schemas, g.schema(depth+1))
	}
	return schemas
}

func (g *generator) pattern() string {
	if !g.wrong {
		return pick(g, "^a", "b+$", "^[a-z]{2,4}$", `^\d+$`, "(?i)A", `\p{L}`, `^\S+$`, "x*?", "^$", `[\w.]+@`, "(a|b)c")
	}
	return pick(g, "^a", "b+$", "^[a-z]{2,4}$", `^\d+$`, "(?i)A", "^(?!a)", "[", "a{2,1}", `\p{L}`, `^\S+$`, "x*?", `\q`, "^$", `[\w.]+@`, "(a|b)c")
}

func (g *generator) number() json.Number {
	return json.Number(pick(g, "0", "1", "-1", "2", "3.5", "10", "0.1", "1e3", "1.50", "1e6", "1234567", "-0.00001", "12345.5", "2e-7",
		"1e400", "100000", "9007199254740993"))
}

func (g *generator) bound(keyword string) any {
	if g.wrong && g.chance(10) {
		return pick[any](g, "1", nil, json.Number("1e2000000"), json.Number("0"))
	}
	if keyword == "multipleOf" {
		return json.Number(pick(g, "1", "2", "0.1", "0.01", "1.5", "3", "1e-7", "7"))
	}
	return g.number()
}

func (g *generator) size() any {
	return pick[any](g, 0, 1, 2, 3, 1, 2, 1500, json.Number("2.0"), json.Number("1e1"), g.or(json.Number("1.5"), 2), g.or(-1, 0), json.Number("1e20"))
}

func (g *generator) literal() any {
	return pick[any](g, "a", "b", 1, json.Number("1.0"), json.Number("1e2"), 2, true, false, nil, "x'y\"", []any{1}, map[string]any{"a": 1}, "", 0)
}

// values makes the values of a chart.
func (g *generator) values() map[string]any {
	values := map[string]any{}
	for range g.IntN(5) {
		values[g.someName()] = g.value(0)
	}
	return values
}

var texts = []string{"", "a", "b", "ab", "abc", "x'y\"", "10", "1.2.3", "v1.2.3", "1.2.3-01", "a@b.c", "a@", "2021-02-30", "2021-01-02", "12:34:56Z",
	"2021-01-02T03:04:05Z", "2021-01-02T03:04:05", "P1D", "P1DT", "PT1H/P", "1.2.3.4", "1.2.3.400", "::1", ":::", "fe80::1%a", "example.com", "-a.b",
	"http://a/b", "/a/b", "http://[::1", "a{b", "http://x/{y", "/a~1", "/~", "0#", "01", "2eb8aa08-aa98-11ea-b4aa-73b441d16380", "é", "[", "^a", "a\nb", "%zz"}

func (g *generator) value(depth int) any {
	kind := g.IntN(12)
	if depth > 3 && kind > 7 {
		kind -= 5
	}
	switch kind {
	case 0:
		return nil
	case 1:
		return g.chance(50)
	case 2, 3, 4:
		number, _ := strconv.ParseFloat(pick(g, "0", "1", "-1", "2", "3", "1.5", "0.3", "10", "1000", "1e6", "1234567.5", "1e21", "7", "0.0000001", "2e-7", "100"), 64)
		return number
	case 5, 6, 7:
		return pick(g, texts...)
	case 8, 9:
		items := []any{}
		for range g.IntN(4) {
			items = append(items, g.value(depth+1))
		}
		if g.chance(3) {
			for i := range 25 {
				items = append(items, float64(i%24))
			}
		}
		return items
	default:
		object := map[string]any{}
		for range g.IntN(4) {
			object[g.name()] = g.value(depth + 1)
		}
		return object
	}
}
