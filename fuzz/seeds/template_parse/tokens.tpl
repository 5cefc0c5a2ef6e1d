{{/* a comment */ -}}{{ 0x1F 1e3 1_000 '\u00e9' 1i -0.5 `raw
` "q\n\x41\u1234" nil true .a.b.c $.d (f .x).y | printf "%d" }}{{- "x" -}}{{ $a := 1 }}{{ $a = 2 }}