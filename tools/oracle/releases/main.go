// Records how Helm reads payloads of release records, good and bad, for the tests of crates/helm.
//
// Run: go run . > ../../../crates/helm/tests/data/releases.jsonl
//
// Each line is one payload: {"name": ..., "payload": ..., "release": ...} or with "err" in place of
// "release", which is what Helm writes again of what it has read.
package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"os"
	"strings"

	"helm.sh/helm/v4/pkg/storage/driver"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1 "k8s.io/client-go/kubernetes/typed/core/v1"
)

// one is a cluster with one Secret.
type one struct {
	corev1.SecretInterface
	payload string
}

func (o one) Get(context.Context, string, metav1.GetOptions) (*v1.Secret, error) {
	return &v1.Secret{Data: map[string][]byte{"release": []byte(o.payload)}}, nil
}

type line struct {
	Name    string          `json:"name"`
	Payload string          `json:"payload"`
	Release json.RawMessage `json:"release,omitempty"`
	Err     *string         `json:"err,omitempty"`
}

func emit(name, payload string) {
	l := line{Name: name, Payload: payload}
	release, err := driver.NewSecrets(one{payload: payload}).Get("r")
	if err == nil {
		l.Release, err = json.Marshal(release)
	}
	if err != nil {
		text := strings.TrimPrefix(err.Error(), `get: failed to decode data "r": `)
		l.Err = &text
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(l); err != nil {
		panic(err)
	}
}

func b64(data []byte) string { return base64.StdEncoding.EncodeToString(data) }

func zip(text string) []byte {
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
	w.Write([]byte(text))
	w.Close()
	return b.Bytes()
}

func main() {
	for _, c := range releases {
		emit(c.name, b64([]byte(c.json)))
	}
	small := `{"name":"a","version":1}`
	zipped := zip(small)
	for _, c := range []struct{ name, payload string }{
		{"gzip", b64(zipped)},
		{"gzip of two members", b64(append(zip(small[:9]), zip(small[9:])...))},
		{"gzip with something behind it", b64(append(append([]byte{}, zipped...), "more"...))},
		{"gzip cut short", b64(zipped[:len(zipped)-6])},
		{"gzip with a wrong sum", b64(append(append([]byte{}, zipped[:len(zipped)-8]...), 1, 2, 3, 4, 5, 6, 7, 8))},
		{"gzip of nothing", b64(zip(""))},
		{"gzip of gzip", b64(zip(string(zipped)))},
		{"gzip of base64", b64(zip(b64([]byte(small))))},
		{"the beginning of gzip", b64([]byte{0x1f, 0x8b, 0x08})},
		{"another method than deflate", b64([]byte{0x1f, 0x8b, 0x07, 0, 0, 0, 0, 0, 0, 3})},
		{"base64 in lines", b64(zipped)[:8] + "\n" + b64(zipped)[8:] + "\r\n"},
		{"base64 with blanks", b64(zipped)[:8] + " " + b64(zipped)[8:]},
		{"base64 without padding", strings.TrimRight(b64([]byte(small+" ")), "=")},
		{"base64 of URLs", base64.URLEncoding.EncodeToString([]byte(`{"name":"???>>>"}`))},
		{"base64 twice", b64([]byte(b64([]byte(small))))},
		{"no base64", "release"},
		{"JSON", small},
		{"nothing", ""},
	} {
		emit(c.name, c.payload)
	}
}
