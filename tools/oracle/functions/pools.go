package main

// pools holds expressions of each kind, as templates write them where an argument stands.
var pools = map[byte][]string{
	'n': {
		`0`, `1`, `-1`, `2`, `7`, `-8`, `3.7`, `-2.5`, `2.5`, `1e3`, `0.1`, `0x1F`, `1_000`, `'a'`, `9223372036854775807`,
		`-9223372036854775808`, `1e21`, `1e-7`, `12345678.9`, `.Values.int`, `.Values.float`, `.Values.big`, `.Values.small`,
		`.Values.million`, `.Values.minus`, `.Values.zero`, `(int 5)`, `(int64 6)`, `(float64 4)`, `(len "abc")`, `"12"`, `"0x1f"`,
		`"08"`, `"3.9"`, `"-7"`, `"1e3"`, `"10.00"`, `"abc"`, `""`, `true`, `(atoi "9")`, `(index "abc" 0)`, `"1_000"`, `" 5"`, `"+5"`,
		`"Inf"`, `"NaN"`, `"0b101"`, `"9223372036854775808"`, `9007199254740993`, `1.005`, `-0.0`, `(divf 1 3)`, `(duration 5)`,
		`(mustToDuration "5s")`, `(float64 "NaN")`, `(float64 "-Inf")`, `(float64 "Inf")`,
	},
	'i': {`0`, `1`, `-1`, `2`, `42`, `-9`, `(int 3)`, `(int64 4)`, `(len "four")`, `0x10`, `1e2`, `'z'`, `2.0`},
	'c': {
		`0`, `1`, `2`, `3`, `5`, `-1`, `4`, `7`, `8`, `10`, `17`, `-3`, `(int 3)`, `(len "four")`, `2.0`, `(int .Values.int)`, `0x4`, `6`,
	},
	's': {
		`""`, `"a"`, `"hello"`, `"Hello World"`, `"  padded  "`, `"foo bar baz"`, `"ünïcödé 世界"`, `"😀 e\u0301"`, `"a\nb\n\nc"`,
		`"quote\" and \\ and 'single'"`, `"\xff\xfe"`, `"tab\tnew\r\nline"`, `"<a href=\"x\">&amp;'</a>"`, `"foo_bar-baz.quxQUXQux"`,
		`"camelCaseHTTPServer2Go"`, `"XMLHttpRequest"`, `"null"`, `"true"`, `"123"`, `"1.5"`, `"---"`, `"key: value"`, `"- a\n- b"`,
		"`raw \\n`", `"a,b,,c"`, `"$1 ${x} %s %d"`, `"\u2028\u00a0\u200b\ufeff"`, `"\x00\x01\x7f"`, `.Values.text`, `.Values.wide`,
		`.Values.lines`, `.Values.map.text`, `(printf "%d" 5)`, `(upper "q")`, `.Release.Name`, `.Chart.Name`, `"abc"`, `"b"`,
		`"The quick brown fox jumps over the lazy dog"`, `"ǅungla ŉ ß İı ﬁ"`, `"a_very-long  word.here99Balloons"`, `"~!@#$%^&*()[]{}"`,
		`"trunc\xe4\xb8"`, `"0"`, `"aaaa"`, `"Aa"`, `" "`, `"\n"`, `"line one\nline two\n"`, `"#comment"`, `"x: [1, 2"`, `"2024-02-29"`,
	},
	'S': {`","`, `""`, `" "`, `"a"`, `"-"`, `"::"`, `"\n"`, `"世"`, `"xyz"`, `"."`, `"\xff"`, `"$"`},
	'b': {`true`, `false`, `(not true)`, `.Values.yea`, `.Values.nay`, `(eq 1 1)`, `(empty "")`},
	'l': {
		`(list)`, `(list 1 2 3)`, `(list "a" "b" "a")`, `(list 1 "1" 1.0 true nil)`, `(list "b" "a" "c" "B" "é")`, `.Values.list`,
		`.Values.numbers`, `.Values.mixed`, `.Values.none`, `(splitList "," "a,b,,c")`, `(splitList "" "héy")`, `(until 4)`, `(untilStep 10 1 -3)`,
		`(list (list 1 2) (list 3))`, `(list (dict "a" 1) (dict "a" 1) (dict))`, `(list 0 "" nil false (list) (dict))`, `(tuple "x")`,
		`(keys (dict "k" 1))`, `(values (dict "k" 1))`, `(list 3 1 2 10)`, `(list "10" "9" "1")`, `(toStrings (list 1 2.5 true nil))`,
		`(list nil)`, `(list nil nil 1)`, `(regexFindAll "[a-z]+" "ab cd ef" -1)`, `.Capabilities.APIVersions`, `(fromYamlArray "[1, a, {b: c}, null]")`,
		`(fromJsonArray "[1, \"a\", null, [true]]")`, `(index .Values.deep.a.b.c 1 | list)`, `(chunk 2 (list 1 2 3))`, `(list .Values.map .Values.map)`,
		`(list "\xff" "<&>" "\u2028")`, `(.Files.Lines "a/b.txt")`, `(list 1.5 2 -3)`, `(pluck "a" (dict "a" 1) (dict "b" 2) (dict "a" nil))`,
		`(.Files.GetBytes "a/c.bin")`, `(.Files.GetBytes "a/b.txt")`,
	},
	'd': {
		`(dict)`, `(dict "a" 1)`, `(dict "a" 1 "b" "x" "c" true)`, `(dict "a" (dict "b" (dict "c" 1)))`, `(dict "a" nil "b" "")`, `.Values.map`,
		`.Values.deep`, `.Values.nothing`, `(dict "k" (list 1 2))`, `(dict "z" 1 "y" (list) "x" (dict))`, `(fromYaml "a: 1\nb: [x, y]\nc: null")`,
		`(fromJson "{\"a\": {\"b\": 1.5}}")`, `(dict "a" false "b" 0 "c" 0.0)`, `(dict 1 2 true 3)`, `(dict "ü" "ö" "\"" "'")`, `(dict "a" "overwritten" "d" (dict "e" 1))`,
		`(split "," "a,b")`, `(urlParse "http://u:p@h:80/p?q#f")`, `(dict "a" (dict "x" 1 "y" nil) "b" (list 1))`, `(dict "" "empty")`, `.Values.AsMap`,
		`(dict "a.b" 1 "a b" 2 "0" 3)`, `.Release`, `.Chart`, `.Subcharts`, `(dict "t" (toDate "2006-01-02" "2020-05-06"))`, `(dict "big" 12345678 "f" .Values.big "neg" -0.5)`,
		`(index .Values.deep.a.b.c 1)`, `(dict "b" "\xff" "n" "a\nb" "s" " x ")`,
	},
	'o': {
		`(dict)`, `(dict "a" 1)`, `(dict "a" (dict "b" 1) "c" "x")`, `(deepCopy .Values.deep)`, `(dict "a" nil)`, `(dict "a" "" "b" 0 "c" false "d" (list))`,
		`(dict "a" "text")`, `(dict "k" (list 1))`, `(fromYaml "a: {x: 2}\nb: null\nd: {}")`, `(dict "a" (dict))`, `(dict "a" 1.5 "b" "q" "c" (list 1 2))`,
	},
	'e': {`"a"`, `"b"`, `"c"`, `"k"`, `"x"`, `""`, `"missing"`, `"a.b"`, `"ü"`, `"y"`, `"zero"`, `"_0"`},
	't': {
		`(toDate "2006-01-02" "2024-02-29")`, `(toDate "2006-01-02T15:04:05Z07:00" "2023-10-29T01:30:00+02:00")`, `(toDate "2006-01-02 15:04:05.999999999" "1999-12-31 23:59:59.123456789")`,
		`(toDate "2006-01-02" "bad")`, `(dateModify "36h" (toDate "2006-01-02" "2024-12-31"))`, `(toDate "2006-01-02 MST" "2021-07-01 CET")`, `(int64 1700000000)`, `(int 0)`,
		`1700000000`, `(toDate "2006" "0001")`, `(toDate "15:04" "08:30")`, `-1`, `(toDate "2006-01-02" "1969-12-31")`, `(toDate "2006-01-02T15:04:05-07:00" "2024-06-15T06:07:08-03:30")`,
	},
	'L': {
		`"2006-01-02"`, `"2006-01-02T15:04:05Z07:00"`, `"Mon Jan _2 15:04:05 2006"`, `"Monday, January 2, 2006 at 3:04:05.000 PM (MST)"`, `"02/01/06 03:04pm"`,
		`"20060102150405"`, `"2006-002"`, `"15:04:05.999999999"`, `"Jan 2, 06 -0700 -07:00 -07 Z0700 Z07"`, `""`, `"x"`, `"2006年01月02日"`, `"__2 _2 2"`, `"15h04m05,000s"`,
		`"3:4:5PM"`, `"Mon Monday Jan January 1 01 2 02 _2"`, `"\"2006\""`, `"-07:00:00 Z07:00:00 -070000"`, `"05.00 .000 ,999"`,
	},
	'D': {
		`"2024-02-29"`, `"2023-02-29"`, `"2023-10-29T01:30:00+02:00"`, `"2024-13-01"`, `""`, `"20240229123456"`, `"Mon Jan  2 15:04:05 2006"`, `"29/02/24 01:02am"`, `"2024-060"`,
		`"12:34:56.789"`, `"2024-02-29T12:34:56Z"`, `"Monday, January 2, 2006 at 3:04:05.000 PM (MST)"`, `"2024年02月29日"`, `"garbage"`, `"2024-2-9"`, `"2024-02-29 extra"`, `"12h30m05,250s"`, `"1:2:3AM"`,
	},
	'Z': {`"UTC"`, `""`, `"Europe/Berlin"`, `"America/New_York"`, `"Asia/Kolkata"`, `"Local"`, `"Nowhere/City"`, `"Pacific/Apia"`, `"EST"`, `"../etc"`, `"Australia/Lord_Howe"`},
	'U': {
		`"1h"`, `"-1.5h"`, `"90m"`, `"36h15m30.5s"`, `"100ms"`, `"1us"`, `"5ns"`, `""`, `"1d"`, `"abc"`, `"0"`, `"2.5"`, `90`, `3661`, `1.5`, `.Values.float`, `"1h1h"`, `"+5m"`, `"9999999h"`, `(int64 7200)`,
		`(mustToDuration "90m")`, `nil`, `" 1h "`, `-61`, `"1e3"`, `31536000`, `"-0.5ms"`, `"1µs"`, `86400`, `"2h45m"`, `"720h"`, `"9000h"`, `1e12`, `"NaN"`, `(durationRoundTo "1h40m" "1h")`, `(toDate "2006-01-02" "2024-02-29")`,
	},
	'r': {
		`"a"`, `"[a-z]+"`, `"^h"`, `"o$"`, `"(\\w+) (\\w+)"`, `"(?i)HELLO"`, `"(?P<first>[a-z])(?P<second>[a-z])"`, `"\\d{2,}"`, `"["`, `"(a|b)*"`, `""`, `"."`, `"(?s)a.b"`, `"(?m)^b"`, `"\\s+"`, `"[^a]"`,
		`"\\bfoo\\b"`, `"\\pL+"`, `"a**"`, `"(?<n>x)"`, `"(?=x)"`, `"a{1001}"`, `"\\Q.*\\E"`, `"[[:alpha:]]+"`, `"(?U)l+"`, `"x*"`, `"\\xff"`, `"世|界"`, `"(a)(b)?"`, `"\\"`, `"*"`, `")"`, `"(?z)"`, `"[b-a]"`, `"\\C"`, `"\\z"`,
		`"(?:foo|bar) ?"`, `"^$"`, `"\\p{Greek}"`, `"\\p{Nope}"`, `",+"`, `"(,)|(b)"`, `"\\n"`, `"[\\d\\-x]+"`, `"(?i:O)"`, `"l{2}"`, `"\\.\\w*"`, `"\\1"`, `"(?P<n>a)(?P<n>b)"`, `"a{2,1}"`, `"(((a)))"`,
	},
	'R': {`"x"`, `""`, `"$1"`, `"${1}y"`, `"$1y"`, `"${first}-$second"`, `"$$"`, `"$"`, `"$0$0"`, `"${"`, `"[$2$1]"`, `"\\1"`, `"${nope}"`, `"$9"`, `"ü"`, `"${1"`, `"$_"`, `"$1_"`},
	'v': {
		`"1.2.3"`, `"v1.2.3"`, `"1.2"`, `"1"`, `"1.2.3-alpha.1"`, `"1.2.3-rc.1+build.5"`, `"1.2.3+meta"`, `""`, `"abc"`, `"1.2.3.4"`, `"01.2.3"`, `"v1.28.0-gke.100"`, `"1.2.3-01"`, `"0.0.0"`, `"2.0.0"`, `"1.10.0"`, `.Values.version`,
		`.Capabilities.KubeVersion.Version`, `"1.2.3-"`, `" 1.2.3"`, `"1.2.3-a.b.c.10"`, `"99999999999999999999.0.0"`, `"v2"`, `"1.x"`, `"1.2.3-alpha.beta"`, `"1.2.3-1"`, `"0.0.3"`, `"0.2.3"`, `"1.2.4-0"`,
	},
	'V': {
		`">=1.2.0"`, `"^1.2.3"`, `"~1.2.3"`, `"1.x"`, `"*"`, `">= 1.2, < 2.0"`, `"1.2 - 1.4.5"`, `"<1 || >2"`, `"!=1.2.3"`, `"=1.2.3"`, `"^1.2.3-alpha"`, `">1.2.3-0"`, `">=1.19-0"`, `""`, `"garbage"`, `"~1"`, `"^0.2"`, `"^0.0.3"`, `"1.2.x"`,
		`"=>1.2"`, `"=<1.2"`, `"~>1.2"`, `">=1.2 <1.5"`, `"1.2.3"`, `"v1.2.3"`, `">v1.2.0-0"`, `"^"`, `">=1.2.3,"`, `"||"`, `"1.2.3 || bad"`, `"X"`, `">x"`, `"!=1.x"`, `"<=1.x"`, `">1.x"`, `"~1.x"`, `"^x"`, `"!=1.2"`, `">=1.2.3+meta"`, `"~0"`, `"^0"`, `"<1.2.3-beta"`, `"1 - 2"`, `"1.2.3 - "`, `">1.2"`, `"<=1.2"`, `"<1.2"`, `"~1.2.3-alpha.1"`,
	},
	'y': {
		`"a: 1"`, `"- a\n- b"`, `""`, `"a: [1, 2"`, `"a: yes\nb: No\nc: ~\nd: 0x1f\ne: 0o17\nf: 017\ng: 1_000\nh: 1e3\ni: .inf\nj: 2024-01-01\nk: 12:30:45"`, `"a: &x {b: 1}\nc: *x"`, `"a: |\n  text\n  more\nb: >\n  folded\n  text\n"`, `"{a: b, c: [d, {e: f}]}"`,
		`"a: 1\na: 2"`, `"scalar"`, `"null"`, `"1: x\ntrue: y\n1.5: z"`, `"a:\n\t- b"`, `"a: 'it''s'\nb: \"x\\ty\""`, `"<<: {a: 1}\nb: 2"`, `"---\na: 1\n---\nb: 2"`, `"a: !!str 1\nb: !!int \"3\"\nc: !!binary aGk="`, `"# only"`, `"[1, a, null, {b: c}]"`, `"a: 12345678901234567890\nb: 1.0\nc: -0"`,
		`"a: *nope"`, `"? a\n: b"`, `"a: {b: [}"`, `"key with spaces: v: w"`, `"a: @x"`, `"ü: \"\\u00e9\""`, `"a: \"unterminated"`, `"- 1\n- 2\nb: 3"`, `"a: 0b11\nb: 1__0\nc: +1\nd: .5\ne: 5.\nf: 1e400\ng: .NaN\nh: 0xZ"`, `"a: on\nb: off\nc: y\nd: N\ne: TRUE\nf: Null\ng: \"\"\nh:"`, `"\xff"`, `"a: b\n  c: d"`, `"[]"`, `"a: 1 # c\nb: 'x' #d"`,
	},
	'j': {
		`"{\"a\": 1}"`, `"[1, 2.5, \"x\", null]"`, `""`, `"{"`, `"null"`, `"1"`, `"\"text\""`, `"{\"a\": {\"b\": [true, false]}}"`, `"{\"a\": 1, \"a\": 2}"`, `"[1,]"`, `"{a: 1}"`, `"1e400"`, `"{\"a\": 12345678901234567890}"`, `"\"\\u00e9\\ud83d\\ude00\\ud800\""`, `"[1] x"`, `"  {\"s\" : \"<&>\"}  "`,
		`"{\"a\": 1e3, \"b\": -0, \"c\": 0.1}"`, `"tru"`, `"[01]"`, `"\"\x01\""`, `"{\"\": \"\\n\"}"`, `"[\"\\x\"]"`, `"[[[[]]]]"`, `"{\"a\" 1}"`, `"[1 2]"`, `"-"`, `"1."`, `"\"\xff\""`, `"{1: 2}"`, `"nul"`, `"[\"a\nb\"]"`, `"'x'"`, `"{\"a\":}"`, `"[,]"`, `"{,}"`, `"{\"a\":1,}"`,
	},
	'm': {
		`"a = 1"`, `"a = \"x\"\n[b]\nc = 1.5\nd = [1, 2]"`, `""`, `"a = "`, `"[[t]]\nx = 1\n[[t]]\nx = 2"`, `"d = 2024-02-29T12:34:56Z"`, `"d = 2024-02-29\nt = 12:34:56\nl = 2024-02-29T12:34:56"`, `"a.b.c = true"`, `"a = 'lit\\n'\nb = \"\"\"multi\nline\"\"\""`, `"a = 1\na = 2"`, `"a = {x = 1, y = [\"z\"]}"`, `"a = 0x1F\nb = 1_000\nc = inf\nd = nan\ne = -0.0"`, `"[a"`, `"= 1"`, `"a = [1, \"x\"]"`, `"\"q k\" = 1"`, `"a = 1e400"`, `"a = 9223372036854775808"`, `"# c"`, `"a = tru"`, `"a = \"\\z\""`, `"a b = 1"`, `"a = 1 b = 2"`, `"[a]\n[a]"`, `"a = 2024-13-01"`,
	},
	'u': {
		`"http://example.com"`, `"https://user:pa%20ss@host.com:8080/path/to?q=1&r=2#frag"`, `""`, `"/just/path"`, `"mailto:a@b.c"`, `"http://[::1]:80/"`, `"://bad"`, `"http://host:port/"`, `"%zz"`, `"//host/path"`, `"http://ex ample.com"`, `"http://h/?a b"`, `"HTTP://H/%41/ü"`, `"a:b:c"`, `"http://user@/x"`, `"http://h#"`, `"http://h?"`, `"x://a/b;c?d#e%20f"`, `"\x7f"`, `"1http://x"`, `"http://u:p:q@h"`, `"http://%41.com/"`, `"http://h/a%2Fb"`, `"oci://reg.io:5000/a/b:tag@sha256:00"`, `"?q"`, `"#f"`, `"http://[fe80::1%25en0]/"`, `"http://h:/"`, `"http://[::1"`,
	},
	'w': {
		`(dict "scheme" "https" "host" "h:1" "path" "/p" "query" "q=1" "fragment" "f" "userinfo" "u:p")`, `(dict)`, `(dict "scheme" "mailto" "opaque" "a@b")`, `(dict "host" "h" "path" "p" "scheme" "x")`, `(dict "path" "a:b/c")`, `(dict "host" "h" "userinfo" "u u:p@")`, `(dict "path" "/ü %41" "fragment" "a b")`, `(urlParse "https://u:p@h:8080/a%2Fb?q#f")`,
		`(dict "scheme" 1)`, `(dict "host" "h" "userinfo" "%zz")`, `(dict "scheme" "s" "query" "a b&c" "path" "//x")`, `(dict "userinfo" "u")`, `(dict "opaque" "o" "path" "p" "query" "q")`, `(dict "host" "a b" "scheme" "http")`,
	},
	'p': {`"/a/b/c.txt"`, `"a/b/../c"`, `""`, `"."`, `"/"`, `"//a//b/"`, `"../../x"`, `"file.tar.gz"`, `".hidden"`, `"a/"`, `"/.."`, `"a/./b/."`, `"ü/ß.é"`, `"\\win\\path.txt"`, `"a.b/c"`, `"x."`},
	'f': {
		`"%v"`, `"%s"`, `"%d"`, `"%q"`, `"%T"`, `"%#v"`, `"%+v"`, `"%5d|%-5d|%05d"`, `"%.2f"`, `"%8.3f|%-8.1f|%+.0f"`, `"%x %X"`, `"%e %g %G"`, `"%t"`, `"%c %U"`, `"%%"`, `"%"`, `"%z"`, `"%!"`, `"%[2]v %[1]v"`, `"%*d"`, `"%[3]*.[2]*[1]f"`, `"%.3s|%10s|%-10s|"`, `"%b %o %O"`, `"%#x %#o %#b %#q %#U"`, `"% x|% d|%+q"`, `"%p"`, `"%v %v"`, `"%-"`, `"%[x]v"`, `"%[5]v"`, `"%6.2f%%"`, `"%w"`, `"%08.3f"`, `"%+d"`, `"% 5d"`, `"%x"`, `"% X"`, `"%#X"`, `"%010s"`, `"%-05d"`, `"%.0v"`, `"%.10d"`, `"%.*f"`, `"%s %s %s"`, `"%t %v"`, `"ü%vß"`, `"%E|%F"`, `"%08b"`, `"%+#v"`, `"%#+v"`, `"%1000000000d"`, `"%[1]d %[1]v %[1]q"`, `"%.[1]d"`, `"%5t"`, `"%5v|%-5v|%05v"`, `"%5q"`, `"%#g %#e %#.3f"`,
	},
	'k': {`"string"`, `"int"`, `"int64"`, `"float64"`, `"map"`, `"slice"`, `"bool"`, `"invalid"`, `"ptr"`, `"func"`, `"struct"`, `""`},
	'T': {`"string"`, `"int"`, `"*semver.Version"`, `"map[string]interface {}"`, `"[]interface {}"`, `"[]string"`, `"bool"`, `"<nil>"`, `"semver.Version"`, `"common.Values"`, `"time.Time"`, `"float64"`, `""`},
	'B': {`"aGVsbG8="`, `"aGVsbG8"`, `""`, `"!!!!"`, `"aGk=\n"`, `"//79"`, `"__79"`, `"a"`, `"aGk=aGk="`, `(b64enc "x")`, `"aGVs bG8="`, `"AAAA"`},
	'x': {`"NBSWY3DP"`, `"NBSWY3DPEE======"`, `""`, `"nbswy3dp"`, `"1"`, `"MFRGG"`, `(b32enc "x")`, `"ME======\n"`, `"ME=====A"`, `"MFRGG==="`},
	'g': {`.Values.AsMap`, `nil`, `"upper"`, `.Capabilities.APIVersions.Has`, `(dict)`, `1`},
	'h': {
		`"{{ .Values.text }}"`, `"plain"`, `""`, `"{{ fail \"x\" }}"`, `"{{ nope }}"`, `"{{"`, `"{{ .a.b }}"`, `"{{ . }}"`, `"{{ upper 1 }}"`, `"{{ define \"t\" }}T{{ end }}{{ include \"t\" . }}"`, `"{{ tpl \"{{ .Values.int }}\" . }}"`, `"{{ range $i, $x := . }}{{ $i }}={{ $x }} {{ end }}"`, `"a\n{{- /* c */ -}}\nb {{ 1 | add 2 }}"`, `"{{ .Template.Name }}"`, `"{{ .Values.nope.x }}"`, `"{{ required \"r\" .Values.nope }}"`, `"<no value>{{ .nope }}"`, `"{{ include \"nope\" . }}"`,
	},
	'a': {
		`nil`, `.Values.nope`, `.Values.nope.deeper`, `(.Values.nope)`, `.Values.deep.a.b.c`, `.Values`, `.Files`, `(.Files.Get "a/b.txt")`, `(.Files.GetBytes "a/c.bin")`, `.Capabilities.KubeVersion`, `.Capabilities.APIVersions`, `(semver "1.2.3-a+b")`,
		`(index .Values.mixed 3)`, `$`, `(dict "a" 1 | len)`, `.Chart.Nope`, `(mustToDuration "1h30m")`, `.Release.IsInstall`, `(list | first)`, `(ternary 1 "x" true)`, `1i`, `'x'`, `(toDate "2006-01-02" "2024-02-29")`, `(index (list nil) 0)`, `(get (dict) "x")`, `(.Files.Glob "a/*")`, `.Template`,
		`((toDate "2006-01-02" "2024-02-29").Weekday)`, `((toDate "2006-01-02" "2024-02-29").Month)`, `(semver "1.2.3" | list)`, `(coalesce nil)`, `(default nil nil)`, `(dict "d" (mustToDuration "1s"))`,
	},
}

// wholePool is all expressions but those of counts, which may grow without bounds elsewhere.
var wholePool []string

func init() {
	for _, kind := range "nsbldate" {
		wholePool = append(wholePool, pools[byte(kind)]...)
	}
	for _, kind := range "nsbld" {
		pools['a'] = append(pools['a'], pools[byte(kind)]...)
	}
}

// noCount is what stands for a count by mistake: nothing that is a large integer.
var noCount = []string{
	`nil`, `"x"`, `""`, `2.5`, `.Values.int`, `.Values.nope`, `(list 1)`, `(dict)`, `true`, `(int64 3)`, `.Values.float`, `"3"`, `(.Values.nope)`, `1i`, `'b'`, `.Values.text`, `(index .Values.mixed 3)`, `1e30`, `-1e30`, `9223372036854775808`,
}
