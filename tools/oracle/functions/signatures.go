package main

import "strings"

// signatures says what the functions take and give, a line each: name, result, parameters. The letters name pools
// of expressions (pools.go); the last parameter may be repeated when it ends with "*", and left out with "?".
//
//	a anything      b bool        s text        i integer       n number      c small count
//	l list          d dict        t time        U duration      L layout      Z zone
//	r pattern       R replacement v version     V constraint    y YAML        j JSON
//	m TOML          u URL         w dict of URL p path          f format      k kind's name
//	T type's name   e key         S separator   B base 64       x base 32     D datum text
//	W paths in dict o dict, own   g function    h template text
const signatures = `
abbrev s c s
abbrevboth s c c s
add i n*
add1 i n
add1f n n
addf n n*
adler32sum s s
all b a*
and a a*
any b a*
append l l a
atoi i s
b32dec s x
b32enc s s
b64dec s B
b64enc s s
base s p
biggest i n n*
call a g a*
camelcase s s
cat s a*
ceil n n
chunk l c l
clean s p
coalesce a a*
compact l l
concat l l*
contains b s s
date s L t
dateInZone s L t Z
dateModify t U t
date_in_zone s L t Z
date_modify t U t
decryptAES s s B
deepCopy a a
deepEqual b a a
default a a a?
derivePassword s i s s s s
dict d e a e a
dig a e e a d
dir s p
div i n n
divf n n n*
duration s n
durationDays n U
durationHours n U
durationMicroseconds i U
durationMilliseconds i U
durationMinutes n U
durationNanoseconds i U
durationRound s U
durationRoundTo a U U
durationSeconds n U
durationTruncateTo a U U
durationWeeks n U
empty b a
eq b a a*
ext s p
fail s s
first a l
float64 n a
floor n n
fromJson d j
fromJsonArray l j
fromToml d m
fromYaml d y
fromYamlArray l y
ge b n n
get a d e
getHostByName s s
gt b n n
has b a l
hasKey b d e
hasPrefix b s s
hasSuffix b s s
hello s
html s a*
htmlDate s t
htmlDateInZone s t Z
include s s a
indent s c s
index a a a*
initial l l
initials s s
int i a
int64 i a
isAbs b p
join s S l
js s a*
kebabcase s s
keys l d*
kindIs b k a
kindOf s a
last a l
le b n n
len i a
list l a*
lookup d s s s s
lower s s
lt b n n
max i n n*
maxf n n n*
merge d o d*
mergeOverwrite d o d*
min i n n*
minf n n n*
mod i n n
mul i n n*
mulf n n n*
mustAppend l l a
mustChunk l c l
mustCompact l l
mustDateModify t U t
mustDeepCopy a a
mustFirst a l
mustFromJson a j
mustHas b a l
mustInitial l l
mustLast a l
mustMerge d o d*
mustMergeOverwrite d o d*
mustPrepend l l a
mustPush l l a
mustRegexFind s r s
mustRegexFindAll l r s c
mustRegexMatch b r s
mustRegexReplaceAll s r s R
mustRegexReplaceAllLiteral s r s R
mustRegexSplit l r s c
mustRest l l
mustReverse l l
mustSlice l l c c?
mustToDate t L D
mustToDuration a U
mustToJson s a
mustToPrettyJson s a
mustToRawJson s a
mustToToml s d
mustToYaml s a
mustUniq l l
mustWithout l l a*
must_date_modify t U t
ne b a a
nindent s c s
nospace s s
not b a
omit d d e*
or a a*
osBase s p
osClean s p
osDir s p
osExt s p
osIsAbs b p
pick d d e*
pluck l e d*
plural s s s c
prepend l l a
print s a*
printf s f a*
println s a*
push l l a
quote s a*
regexFind s r s
regexFindAll l r s c
regexMatch b r s
regexQuoteMeta s s
regexReplaceAll s r s R
regexReplaceAllLiteral s r s R
regexSplit l r s c
repeat s c s
replace s s s s
required a s a
rest l l
reverse l l
round n n c n?
semver a v
semverCompare b V v
seq s c c? c?
set d o e a
sha1sum s s
sha256sum s s
sha512sum s s
slice l l c c?
snakecase s s
sortAlpha l l
split d S s
splitList l S s
splitn d S c s
squote s a*
sub i n n
subf n n n*
substr s c c s
swapcase s s
ternary a a a b
title s s
toDate t L D
toDecimal i a
toJson s a
toPrettyJson s a
toRawJson s a
toString s a
toStrings l a
toToml s d
toYaml s a
toYamlPretty s a
tpl s h a
trim s s
trimAll s S s
trimPrefix s s s
trimSuffix s s s
trimall s S s
trunc s c s
tuple l a*
typeIs b T a
typeIsLike b T a
typeOf s a
uniq l l
unixEpoch s t
unset d o e
until l c
untilStep l c c c
untitle s s
upper s s
urlJoin s w
urlParse d u
urlquery s a*
values l d
without l l a*
wrap s c s
wrapWith s c S s
`

// unsettled gives other answers each time, or costs too much to be called thousands of times.
const unsettled = " ago now bcrypt buildCustomCert derivePassword encryptAES genCA genCAWithKey genPrivateKey " +
	"genSelfSignedCert genSelfSignedCertWithKey genSignedCert genSignedCertWithKey htpasswd randAlpha randAlphaNum " +
	"randAscii randBytes randInt randNumeric shuffle uuidv4 "

type signature struct {
	name   string
	result byte
	params []string
}

var (
	byName   = map[string]signature{}
	byResult = map[byte][]signature{}
	all      []signature
)

func init() {
	for _, line := range strings.Split(strings.TrimSpace(signatures), "\n") {
		words := strings.Fields(line)
		s := signature{name: words[0], result: words[1][0], params: words[2:]}
		byName[s.name] = s
		if !strings.Contains(unsettled, " "+s.name+" ") {
			byResult[s.result] = append(byResult[s.result], s)
			all = append(all, s)
		}
	}
}
