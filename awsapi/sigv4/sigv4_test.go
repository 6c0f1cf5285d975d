// SPDX-License-Identifier: Apache-2.0

package sigv4

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

const (
	testKey    = "AKIAEXAMPLE0000000001"
	testSecret = "secret/of+the=key"
	form       = "Action=DescribeVpcs&Version=2016-11-15"
)

var signedAt = time.Date(2026, 3, 28, 2, 42, 0, 0, time.UTC)

type oneKey struct{}

func (oneKey) Secret(accessKey string) (string, bool) { return testSecret, accessKey == testKey }

// verifier holds signatures against a clock that stands at offset from signedAt.
func verifier(offset time.Duration) *Verifier {
	return New(oneKey{}, func() time.Time { return signedAt.Add(offset) }, 0)
}

// wire sends a client's request through the HTTP parser, as a server gets it.
func wire(t testing.TB, r *http.Request) (*http.Request, []byte) {
	t.Helper()
	var b bytes.Buffer
	if err := r.Write(&b); err != nil {
		t.Fatal(err)
	}
	return parse(t, b.Bytes())
}

func parse(t testing.TB, raw []byte) (*http.Request, []byte) {
	t.Helper()
	got, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw)))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(got.Body)
	if err != nil {
		t.Fatal(err)
	}
	return got, body
}

// post returns a signed call as the SDK makes it. change runs before signing.
func post(t testing.TB, body string, change func(*http.Request)) *http.Request {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, "http://127.0.0.1:4566/", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	r.Header.Set("Amz-Sdk-Invocation-Id", "0b8e7f4c")
	if change != nil {
		change(r)
	}
	creds := aws.Credentials{AccessKeyID: testKey, SecretAccessKey: testSecret, SessionToken: r.Header.Get("X-Test-Token")}
	r.Header.Del("X-Test-Token")
	if err := sdk.NewSigner().SignHTTP(t.Context(), creds, r, hash([]byte(body)), "ec2", "us-east-1", signedAt); err != nil {
		t.Fatal(err)
	}
	return r
}

// presign returns a call whose signature is in the query string.
func presign(t testing.TB, query url.Values) *http.Request {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, "https://ec2.example:8443/?"+query.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	creds := aws.Credentials{AccessKeyID: testKey, SecretAccessKey: testSecret}
	text, _, err := sdk.NewSigner().PresignHTTP(t.Context(), creds, r, hash(nil), "sts", "eu-central-1", signedAt)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := http.NewRequest(http.MethodGet, text, nil)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func reason(t testing.TB, err error) Reason {
	t.Helper()
	e := new(Error)
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want an *Error", err)
	}
	if strings.Contains(e.Error(), testSecret) {
		t.Errorf("the error tells the secret: %v", e)
	}
	return e.Reason
}

func TestSignaturesOfTheSDK(t *testing.T) {
	for name, change := range map[string]func(*http.Request){
		"plain":             nil,
		"session token":     func(r *http.Request) { r.Header.Set("X-Test-Token", "a/b+c==") },
		"body hash sent":    func(r *http.Request) { r.Header.Set("X-Amz-Content-Sha256", hash([]byte(form))) },
		"spaces in header":  func(r *http.Request) { r.Header.Set("X-Amz-Meta", "  a   b  c ") },
		"duplicate header":  func(r *http.Request) { r.Header["X-Thing"] = []string{"b", "a", "b"} },
		"query to encode":   func(r *http.Request) { r.URL.RawQuery = "b=2&a=%20x&a=%2B&a=*&z=~-_.&ü=%C3%BC&e=" },
		"names as prefixes": func(r *http.Request) { r.URL.RawQuery = "A=1&A-=2&A.1=3&A%20=4&AA=5&A0=6" },
		"path":              func(r *http.Request) { r.URL.Path = "/a b/ü/c+d" },
		"host with no port": func(r *http.Request) { r.URL.Host = "ec2.example" },
		"host of its own":   func(r *http.Request) { r.Host = "[::1]:4566" },
		"target":            func(r *http.Request) { r.Header.Set("X-Amz-Target", "PhotonAdminProxyService.DescribeFleets") },
		"GET": func(r *http.Request) {
			r.Method = http.MethodGet
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, body := wire(t, post(t, form, change))
			id, err := verifier(0).Verify(r, body)
			if err != nil {
				t.Fatal(err)
			}
			want := Identity{Scope: Scope{AccessKey: testKey, Date: "20260328", Region: "us-east-1", Service: "ec2"}, Token: r.Header.Get("X-Amz-Security-Token")}
			if *id != want {
				t.Errorf("got %+v, want %+v", *id, want)
			}
		})
	}
}

func TestPresigned(t *testing.T) {
	for name, query := range map[string]url.Values{
		"STS":     {"Action": {"GetCallerIdentity"}, "Version": {"2011-06-15"}, "X-Amz-Expires": {"60"}},
		"no end":  {"Action": {"GetCallerIdentity"}},
		"encoded": {"Action": {"a b+c/d"}, "Filter.1.Value.1": {"*"}, "X-Amz-Expires": {"604800"}},
	} {
		r, body := wire(t, presign(t, query))
		id, err := verifier(0).Verify(r, body)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !id.Presigned || id.Region != "eu-central-1" || id.Service != "sts" {
			t.Errorf("%s: got %+v", name, id)
		}
	}
}

// Clients may sign what the SDK's signer leaves alone, and use Date.
func TestOtherSigners(t *testing.T) {
	for name, c := range map[string]struct {
		headers []string
		set     map[string]string
	}{
		"User-Agent":   {[]string{"content-length", "host", "user-agent", "x-amz-date"}, map[string]string{"User-Agent": "me  1", "X-Amz-Date": "20260328T024200Z"}},
		"Date of HTTP": {[]string{"date", "host"}, map[string]string{"Date": "Sat, 28 Mar 2026 02:42:00 GMT"}},
		"Date of ISO":  {[]string{"date", "host"}, map[string]string{"Date": "20260328T024200Z"}},
		"empty header": {[]string{"host", "x-amz-date", "x-empty"}, map[string]string{"X-Amz-Date": "20260328T024200Z", "X-Empty": ""}},
		"Date does not bind when X-Amz-Date is there": {[]string{"host", "x-amz-date"}, map[string]string{"X-Amz-Date": "20260328T024200Z", "Date": "Sat, 28 Mar 2020 02:42:00 GMT"}},
	} {
		t.Run(name, func(t *testing.T) {
			r, body := wire(t, signBy(t, c.headers, c.set))
			if _, err := verifier(0).Verify(r, body); err != nil {
				t.Error(err)
			}
		})
	}
}

// signBy signs with our own canonical form, which TestSignaturesOfTheSDK proves.
func signBy(t testing.TB, headers []string, set map[string]string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, "http://127.0.0.1:4566/", strings.NewReader(form))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range set {
		r.Header.Set(k, v)
	}
	s := &signed{Scope: Scope{testKey, "20260328", "us-east-1", "ec2"}, headers: headers, time: signedAt}
	r.Host = r.URL.Host
	text, err := canonicalRequest(r, s, nil, hash([]byte(form)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", algorithm+" Credential="+testKey+"/20260328/us-east-1/ec2/aws4_request,SignedHeaders="+strings.Join(headers, ";")+",Signature="+signature(testSecret, s, text))
	return r
}

// Whatever part of a request is changed under way, it is refused.
func TestChangedRequests(t *testing.T) {
	for name, c := range map[string]struct {
		change func(r *http.Request, body *[]byte)
		want   Reason
	}{
		"method":              {func(r *http.Request, _ *[]byte) { r.Method = http.MethodGet }, Mismatch},
		"path":                {func(r *http.Request, _ *[]byte) { r.URL.Path = "/x" }, Mismatch},
		"host":                {func(r *http.Request, _ *[]byte) { r.Host = "127.0.0.1" }, Mismatch},
		"query added":         {func(r *http.Request, _ *[]byte) { r.URL.RawQuery = "DryRun=false" }, Mismatch},
		"query undecodable":   {func(r *http.Request, _ *[]byte) { r.URL.RawQuery = "a=%z" }, Malformed},
		"query with ;":        {func(r *http.Request, _ *[]byte) { r.URL.RawQuery = "a=1;b=2" }, Malformed},
		"body":                {func(_ *http.Request, b *[]byte) { (*b)[0] ^= 1 }, Mismatch},
		"body longer":         {func(_ *http.Request, b *[]byte) { *b = append(*b, "&DryRun=false"...) }, Mismatch},
		"body gone":           {func(_ *http.Request, b *[]byte) { *b = nil }, Mismatch},
		"signed header":       {func(r *http.Request, _ *[]byte) { r.Header.Set("Content-Type", "text/plain") }, Mismatch},
		"signed header twice": {func(r *http.Request, _ *[]byte) { r.Header.Add("Content-Type", "text/plain") }, Mismatch},
		"signed header gone":  {func(r *http.Request, _ *[]byte) { r.Header.Del("Content-Type") }, Mismatch},
		"date":                {func(r *http.Request, _ *[]byte) { r.Header.Set("X-Amz-Date", "20260328T024201Z") }, Mismatch},
		"date of another day": {func(r *http.Request, _ *[]byte) { r.Header.Set("X-Amz-Date", "20260329T024200Z") }, Malformed},
		"date twice":          {func(r *http.Request, _ *[]byte) { r.Header.Add("X-Amz-Date", "20260328T024200Z") }, Malformed},
		"date gone":           {func(r *http.Request, _ *[]byte) { r.Header.Del("X-Amz-Date") }, Malformed},
		"date illegible":      {func(r *http.Request, _ *[]byte) { r.Header.Set("X-Amz-Date", "yesterday") }, Malformed},
		"amz header added":    {func(r *http.Request, _ *[]byte) { r.Header.Set("X-Amz-Target", "S.Op") }, Malformed},
		"token added":         {func(r *http.Request, _ *[]byte) { r.Header.Set("X-Amz-Security-Token", "t") }, Malformed},
		"hash of another":     {func(r *http.Request, _ *[]byte) { r.Header.Set("X-Amz-Content-Sha256", hash(nil)) }, Malformed},
		"authorized twice":    {func(r *http.Request, _ *[]byte) { r.Header.Add("Authorization", r.Header.Get("Authorization")) }, Malformed},
		"also in the query":   {func(r *http.Request, _ *[]byte) { r.URL.RawQuery = "X-Amz-Signature=0" }, Malformed},
		"not signed":          {func(r *http.Request, _ *[]byte) { r.Header.Del("Authorization") }, Missing},
		"key":                 {edit(testKey, "AKIAEXAMPLE0000000002"), UnknownKey},
		"Region":              {edit("us-east-1", "us-west-2"), Mismatch},
		"service":             {edit("/ec2/", "/sts/"), Mismatch},
		"terminator":          {edit("aws4_request", "aws5_request"), Malformed},
		"day of the scope":    {edit("/20260328/", "/20260327/"), Malformed},
		"fewer signed":        {edit(";content-type", ""), Mismatch},
		"order of signed":     {edit("host;x-amz-date", "x-amz-date;host"), Malformed},
		"host not signed":     {edit("host;", ""), Malformed},
		"upper case signed":   {edit("host", "Host"), Malformed},
		"algorithm":           {edit("SHA256 ", "SHA512 "), Malformed},
		"other scheme":        {func(r *http.Request, _ *[]byte) { r.Header.Set("Authorization", "AWS a:b") }, Malformed},
	} {
		t.Run(name, func(t *testing.T) {
			r, body := wire(t, post(t, form, nil))
			c.change(r, &body)
			_, err := verifier(0).Verify(r, body)
			if err == nil {
				t.Fatal("accepted")
			}
			if got := reason(t, err); got != c.want {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func edit(old, with string) func(*http.Request, *[]byte) {
	return func(r *http.Request, _ *[]byte) {
		r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), old, with, 1))
	}
}

// Every byte of the head and the body that the signature covers is changed in
// turn, and each bit of the signature.
func TestEveryByteCounts(t *testing.T) {
	var b bytes.Buffer
	if err := post(t, form, func(r *http.Request) { r.Header.Set("User-Agent", "") }).Write(&b); err != nil {
		t.Fatal(err)
	}
	raw := b.Bytes()
	tried := 0
	for i := range raw {
		for _, mask := range []byte{1, 2, 4} {
			changed := bytes.Clone(raw)
			changed[i] ^= mask
			r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(changed)))
			if err != nil {
				continue // no request any more
			}
			body, err := io.ReadAll(r.Body)
			if err != nil {
				continue
			}
			tried++
			if _, err := verifier(0).Verify(r, body); err == nil && !harmless(changed, i) {
				t.Errorf("byte %d of the request changed by %d was accepted:\n%s", i, mask, changed)
			}
		}
	}
	if tried < len(raw) {
		t.Errorf("only %d changes reached the verifier", tried)
	}
}

// harmless reports whether byte i is in the first line's protocol version or is
// white space at the end of a line: HTTP drops the one, and the other has no
// meaning.
func harmless(raw []byte, i int) bool {
	version := i < bytes.IndexByte(raw, '\n') && i >= len("POST / ")
	return version || raw[i] == '\t' && raw[i+1] == '\n'
}

func TestBodyHash(t *testing.T) {
	// A replayed request keeps its signed hash and gets another body.
	r, body := wire(t, post(t, form, func(r *http.Request) { r.Header.Set("X-Amz-Content-Sha256", hash([]byte(form))) }))
	if _, err := verifier(0).Verify(r, body); err != nil {
		t.Fatal(err)
	}
	if _, err := verifier(0).Verify(r, []byte("Action=DeleteVpc&VpcId=vpc-1")); err == nil || reason(t, err) != BodyHash {
		t.Errorf("replayed hash with another body: %v", err)
	}
	for _, value := range []string{"UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", strings.ToUpper(hash([]byte(form)))} {
		r, body := wire(t, post(t, form, func(r *http.Request) { r.Header.Set("X-Amz-Content-Sha256", value) }))
		if _, err := verifier(0).Verify(r, body); err == nil || reason(t, err) != BodyHash {
			t.Errorf("%s: %v", value, err)
		}
	}
	r, body = wire(t, presign(t, url.Values{"X-Amz-Content-Sha256": {"UNSIGNED-PAYLOAD"}}))
	if _, err := verifier(0).Verify(r, body); err == nil || reason(t, err) != BodyHash {
		t.Errorf("presigned and unsigned: %v", err)
	}
}

func TestTime(t *testing.T) {
	minutes := func(v url.Values, expires string) *http.Request {
		if expires != "" {
			v.Set("X-Amz-Expires", expires)
		}
		return presign(t, v)
	}
	header := post(t, form, nil)
	for name, c := range map[string]struct {
		r      *http.Request
		offset time.Duration
		good   bool
	}{
		"header, at the end":           {header, Window, true},
		"header, after the end":        {header, Window + time.Second, false},
		"header, our clock behind":     {header, -Window, true},
		"header, from the future":      {header, -Window - time.Second, false},
		"presigned, in time":           {minutes(url.Values{}, "60"), 60 * time.Second, true},
		"presigned, over":              {minutes(url.Values{}, "60"), 61 * time.Second, false},
		"presigned, days later":        {minutes(url.Values{}, "604800"), LongestExpiry, true},
		"presigned, future":            {minutes(url.Values{}, "604800"), -Window - time.Second, false},
		"presigned without end":        {minutes(url.Values{}, ""), Window, true},
		"presigned without end, later": {minutes(url.Values{}, ""), Window + time.Second, false},
	} {
		t.Run(name, func(t *testing.T) {
			var body []byte
			if c.r == header {
				body = []byte(form)
			}
			c.r.Host = c.r.URL.Host
			_, err := verifier(c.offset).Verify(c.r, body)
			if c.good && err != nil {
				t.Error(err)
			}
			if !c.good && (err == nil || reason(t, err) != Expired) {
				t.Errorf("got %v, want an expired signature", err)
			}
		})
	}
}

// TestWindow holds signatures against a window that the operator chose
// (docs/spec/ec2-api.md section 16, point 19).
func TestWindow(t *testing.T) {
	for offset, good := range map[time.Duration]bool{-time.Hour: true, time.Hour: true, time.Hour + time.Second: false, -time.Hour - time.Second: false} {
		v := New(oneKey{}, func() time.Time { return signedAt.Add(offset) }, time.Hour)
		if _, err := v.Verify(post(t, form, nil), []byte(form)); good != (err == nil) {
			t.Errorf("%s away: %v", offset, err)
		}
	}
}

func TestMalformedPresigned(t *testing.T) {
	for name, c := range map[string]struct {
		change func(url.Values)
		want   Reason
	}{
		"eight days":        {func(q url.Values) { q.Set("X-Amz-Expires", "604801") }, Malformed},
		"no seconds":        {func(q url.Values) { q.Set("X-Amz-Expires", "0") }, Malformed},
		"negative":          {func(q url.Values) { q.Set("X-Amz-Expires", "-1") }, Malformed},
		"no number":         {func(q url.Values) { q.Set("X-Amz-Expires", "") }, Malformed},
		"longer":            {func(q url.Values) { q.Set("X-Amz-Expires", "61") }, Mismatch},
		"end taken away":    {func(q url.Values) { q.Del("X-Amz-Expires") }, Mismatch},
		"two signatures":    {func(q url.Values) { q.Add("X-Amz-Signature", q.Get("X-Amz-Signature")) }, Malformed},
		"no signature":      {func(q url.Values) { q.Del("X-Amz-Signature") }, Malformed},
		"no algorithm":      {func(q url.Values) { q.Del("X-Amz-Algorithm") }, Malformed},
		"another algorithm": {func(q url.Values) { q.Set("X-Amz-Algorithm", "AWS4-ECDSA-P256-SHA256") }, Malformed},
		"no date":           {func(q url.Values) { q.Del("X-Amz-Date") }, Malformed},
		"another action":    {func(q url.Values) { q.Set("Action", "DeleteVpc") }, Mismatch},
		"token added":       {func(q url.Values) { q.Set("X-Amz-Security-Token", "t") }, Mismatch},
		"nothing left":      {func(q url.Values) { clear(q) }, Missing},
	} {
		t.Run(name, func(t *testing.T) {
			r := presign(t, url.Values{"Action": {"DescribeVpcs"}, "X-Amz-Expires": {"60"}})
			q := r.URL.Query()
			c.change(q)
			r.URL.RawQuery = q.Encode()
			r, body := wire(t, r)
			_, err := verifier(0).Verify(r, body)
			if err == nil || reason(t, err) != c.want {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func FuzzParseAuthorization(f *testing.F) {
	r := post(f, form, nil)
	f.Add(r.Header.Get("Authorization"))
	f.Add("AWS4-HMAC-SHA256 Credential=,SignedHeaders=,Signature=")
	f.Add("AWS4-HMAC-SHA256 Credential=a/b/c/d/aws4_request, SignedHeaders=host;;x, Signature=0")
	f.Add("")
	f.Fuzz(func(t *testing.T, header string) {
		s, err := parseAuthorization(header)
		if (err == nil) != (s != nil) {
			t.Fatalf("got %v and %v", s, err)
		}
		if err != nil {
			return
		}
		if !s.signs("host") || len(s.signature) != 64 || len(s.Date) != 8 || s.AccessKey == "" || s.Region == "" || s.Service == "" {
			t.Errorf("accepted %q as %+v", header, s)
		}
		again, err := parseAuthorization(algorithm + " Credential=" + s.AccessKey + "/" + s.Date + "/" + s.Region + "/" + s.Service + "/aws4_request, SignedHeaders=" + strings.Join(s.headers, ";") + ", Signature=" + s.signature)
		if err != nil || again.Scope != s.Scope || again.signature != s.signature {
			t.Errorf("%q does not survive being written again: %v", header, err)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	r, body := wire(b, post(b, form, nil))
	v := verifier(0)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Verify(r, body); err != nil {
			b.Fatal(err)
		}
	}
}
