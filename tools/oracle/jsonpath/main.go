// Records what client-go makes of JSONPath templates as Helm uses them, for the tests of crates/helm.
//
// Run: go run . > ../../../crates/helm/tests/data/jsonpath.json
//
// With -seed and -n it makes other and more random templates. Errors of the execution are ignored, as in Helm. What differs from run to run, as maps have no order, and what panics is left out.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand"
	"os"
	"strings"
	"unicode/utf8"

	"k8s.io/client-go/util/jsonpath"
)

type testCase struct {
	Template string          `json:"template"`
	Values   json.RawMessage `json:"values"`
	Want     string          `json:"want,omitempty"`
	Error    *string         `json:"error,omitempty"`
}

var values = []string{
	`{"a":1,"b":"text","c":true,"d":null,"e":[1,2,3],"f":{"g":"h"},"i.j":"dots","k":1.5,"o":1e6,"p":[1e21,0.00001,-3],"l":"<&>","m":[],"n":{}}`,
	`{"items":[{"name":"x","n":1,"on":true,"p":[{"q":1},{"q":2}]},{"name":"y","n":2,"on":false},{"name":"z","n":10,"r":{"s":"t"}}]}`,
	`{"list":[[1,2],[3],[]],"words":["b","a","c"],"nulls":[null,1,null],"mixed":[1,"a",true,null,{"k":"v"},[2]]}`,
}

var fixed = []string{
	"", "text", "{}", "{ }", "{.}", "{@}", "{$}", "{.a}", "{$.a}", "{@.a}", "{.b}", "{.c}", "{.d}", "{.e}", "{.f}", "{.f.g}", "{.none}", "{.f.none}", "{.i.j}",
	"{.i\\.j}", "{['i.j']}", "{['i\\.j']}", "{.['b']}", "{['a','b']}", "{['a']['b']}", "{[\"a\"]}", "{.e[0]}", "{.e[-1]}", "{.e[3]}", "{.e[-4]}", "{.e[*]}", "{.e[:]}",
	"{.e[1:]}", "{.e[:2]}", "{.e[0:2]}", "{.e[0:3:2]}", "{.e[::2]}", "{.e[::0]}", "{.e[::-1]}", "{.e[2:1]}", "{.e[1:1]}", "{.e[0,2]}", "{.e[0, 2 ]}", "{.e[0,5]}", "{.e[-2:]}", "{.e[:-1]}",
	"{.e[]}", "{.e[-]}", "{.e[a]}", "{.e[1:2:3:4]}", "{.e[99999999999999999999]}", "{.e[0", "{.e[0]", "{.a[0]}", "{.b[0]}", "{.d[0]}", "{.d.x}", "{.a.x}", "{.m[0]}", "{.m[*]}", "{.m}", "{.n}", "{.n.x}",
	"{.k}", "{.l}", "{..g}", "{..}", "{...}", "{..*}", "{..[0]}", "{....a}", "{.*}", "{.f.*}", "{.b.*}", "{.e.*}", "{*}", "{#}", "{&}", "{%}", "{\x01}", "{é}", "{.é}", "{-}", "{+}", "{1}", "{-1}", "{+1}", "{1.5}", "{1.}", "{.5}",
	"{1.2.3}", "{1e3}", "{100000000000000000000}", "{123456789.5}", "{0.0000001}", "{1.0}", "{.o}", "{.p}", "{.p[*]}", "{.a.*}", "{.a..}", "{true}", "{false}", "{truex}", "{null}", "{range}", "{end}", "{range .e[*]}", "{range .e[*]}x", "{range .e[*]}{@}{end}", "{range .e[*]}{@},{end}",
	"{range .e[*]}[{@}]{end} after {.b}", "{range .m[*]}{@}{end}", "{range .m[*]}x{end}y", "{range .m[*]}{.x}{end}y", "{range .none}{end}", "{end}{range .e}", "{range .e}{@}{end}", "{range .e[*]}{range .e[*]}{@}{end}{end}",
	"{range .e[*]}{.a}{end}", "{'text'}", "{\"text\"}", "{'a\\nb'}", "{\"a\\nb\"}", "{\"\\t\"}", "{'\\''}", "{'\\\"'}", "{\"\\\"\"}", "{'\\x41'}", "{'\\xff'}", "{'\\u00e9'}", "{'\\U0001F600'}", "{'\\ud800'}", "{'\\101'}", "{'\\777'}", "{'\\8'}", "{'\\q'}", "{'", "{\"a", "{'a'b'}",
	"{'a\nb'}", "{\n}", "{.a\n}", "{.a .b}", "{.a}{.b}", "{.a} {.b}", "a{.a}b{.b}c", "{.a b}", "{.a,.b}", "{.a}}", "}{.a}", "{{.a}}", "{.a}{", "{.a", "{.a[?(", "{.a[?(@.x)}", "{.e[?(@)]}", "{.e[?(@==1)]}", "{.e[?(@=='1')]}",
	"{.items[*].name}", "{.items[0].name}", "{.items[0]['name','n']}", "{.items[?(@.name=='x')].n}", "{.items[?(@.name==\"x\")].n}", "{.items[?(@.name!='x')].n}", "{.items[?(@.name<'y')].n}", "{.items[?(@.name<='y')].n}", "{.items[?(@.name>'y')].n}", "{.items[?(@.name>='y')].n}",
	"{.items[?(@.n==1)].name}", "{.items[?(@.n==1.0)].name}", "{.items[?(@.n>=2.0)].name}", "{.items[?(1.5<@.n)].name}", "{.items[?(@.n=='1')].name}", "{.items[?(@.n>'1')].name}", "{.items[?(@.on)].name}", "{.items[?(@.on==true)].name}", "{.items[?(@.on!=true)].name}", "{.items[?(@.on<true)].name}", "{.items[?(@.r)].name}", "{.items[?(@.r.s=='t')].name}", "{.items[?(@.r=='t')].name}", "{.items[?(@.none)].name}",
	"{.items[?(@.p[*].q==1)].name}", "{.items[?(@.p[0].q=='1')].name}", "{.items[?(@.name=~'x')].n}", "{.items[?(@.name=)].n}", "{.items[?(=='x')].n}", "{.items[?(@.name==)].n}", "{.items[?(@.name==x)].n}", "{.items[?(@.name=='x'].n}", "{.items[?(@.name=='x')}", "{.items[?(@.name==')')].n}", "{.items[?(@.name=='x' )].n}",
	"{.items[?( @.name == 'x' )].n}", "{.items[?(1==1)].n}", "{.items[?(1.5==1.5)].n}", "{.items[?(1<2)].n}", "{.items[?(true==true)].n}", "{.items[?('a'=='a')].n}", "{.items[?('a'=='b')].n}", "{.items[?(1=='1')].n}", "{.items[?(@.name==@.name)].n}", "{range .items[*]}{.name}={.n}{\"\\n\"}{end}",
	"{range .items[*]}{.name}{range .p[*]}{.q}{end}{end}", "{range .items[0:1]}{.name}{range .p[*]}{.q};{end}{.n}{end}!", "{range .items[?(@.n)]}{.name}{end}", "{range .items[*]}{.r.s}{end}", "{.items[*].r.s}", "{.items[*].p}", "{.items[*].p[*].q}", "{.items..q}", "{..name}", "{..q}", "{.items[*]['name','on']}",
	"{.list[*][*]}", "{.list[*]}", "{.list[0][0]}", "{.list[*][0]}", "{.list[2][*]}", "{.list..[0]}", "{.words}", "{.words[*]}", "{.words.*}", "{.words[0].*}", "{range .nulls[*]}{@};{end}", "{range .nulls[*]}x{end}", "{range .nulls[*]}{.k}{end}", "{.nulls}", "{.nulls[*]}", "{.mixed[*]}", "{.mixed[*].k}", "{.mixed[?(@.k)]}", "{.mixed[?(@=='a')]}",
	"{.mixed[4].*}", "{.mixed[5][0]}", "{range .mixed[*]}{@}\n{end}", "{range .list[*]}{range @[*]}{@},{end};{end}", "{range .list[*]}({range .[*]}{@}{end}){end}",
}

var pieces = []string{
	".a", ".b", ".e", ".f", ".items", ".name", ".n", ".list", ".words", ".nulls", ".mixed", ".p", "[0]", "[1]", "[-1]", "[*]", "[:2]", "[1:]", "['name']", "['a','b']", "..", "@", "$", " ", ".*",
	"range ", "end", "'x'", "\"\\n\"", "1", "true", "[?(@.name=='x')]", "[?(@.n)]", "[?(@.q>'1')]", "}{", "} {", "}{range ", "}{end}{", ",", "}\n{", "[0,1]", ".g", ".q", "..name", "..q", ".", "[", "]", "'", "}",
}

func answer(template, data string) (want string, failed error, panicked bool) {
	defer func() {
		if recover() != nil {
			panicked = true
		}
	}()
	var value any
	if err := json.Unmarshal([]byte(data), &value); err != nil {
		panic(err)
	}
	path := jsonpath.New("out")
	if err := path.Parse(template); err != nil {
		return "", err, false
	}
	var out bytes.Buffer
	_ = path.Execute(&out, value)
	return out.String(), nil, false
}

func main() {
	seed := flag.Int64("seed", 20261123, "of the random templates")
	n := flag.Int("n", 300, "random templates")
	flag.Parse()
	random := rand.New(rand.NewSource(*seed))
	var templates []string
	templates = append(templates, fixed...)
	for range *n {
		var b strings.Builder
		b.WriteString("{")
		for range 1 + random.Intn(6) {
			b.WriteString(pieces[random.Intn(len(pieces))])
		}
		b.WriteString("}")
		templates = append(templates, b.String())
	}
	seen := map[string]bool{}
	first := true
	fmt.Println("[")
	for at, template := range templates {
		for _, data := range values {
			want, failed, panicked := answer(template, data)
			// All values of the fixed ones, of the others those that give something.
			if seen[template+data] || panicked || !utf8.ValidString(want) || (at >= len(fixed) && want == "" && failed == nil) {
				continue
			}
			seen[template+data] = true
			same := true
			for range 20 {
				again, _, _ := answer(template, data)
				same = same && again == want
			}
			if !same || (want == "" && failed == nil && data != values[at%3]) {
				continue
			}
			c := testCase{Template: template, Values: json.RawMessage(data), Want: want}
			if failed != nil {
				text := failed.Error()
				c.Error = &text
				if data != values[0] {
					continue
				}
				c.Values = json.RawMessage("null")
			}
			var line bytes.Buffer
			encoder := json.NewEncoder(&line)
			encoder.SetEscapeHTML(false)
			if err := encoder.Encode(c); err != nil {
				panic(err)
			}
			if !first {
				fmt.Println(",")
			}
			first = false
			os.Stdout.Write(bytes.TrimSpace(line.Bytes()))
		}
	}
	fmt.Println("\n]")
}
