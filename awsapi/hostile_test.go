// SPDX-License-Identifier: Apache-2.0

package awsapi_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"
)

// endless is a body that never ends and costs nothing.
type endless struct{ read int64 }

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	e.read += int64(len(p))
	return len(p), nil
}

// cost calls the handler without a network between and returns the answer, the
// memory that was allocated meanwhile, in bytes, and the time that it took.
func (r *rig) cost(t *testing.T, req *http.Request) (*httptest.ResponseRecorder, int64, time.Duration) {
	t.Helper()
	answer := httptest.NewRecorder()
	req.Host, req.RemoteAddr = req.URL.Host, "127.0.0.1:9"
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	begin := time.Now()
	r.Config.Handler.ServeHTTP(answer, req)
	took := time.Since(begin)
	runtime.ReadMemStats(&after)
	return answer, int64(after.TotalAlloc - before.TotalAlloc), took
}

// names returns n parameters of a form.
func names(n int, name func(i int) string) string {
	var b strings.Builder
	b.WriteString("Action=CreateSecurityGroup")
	for i := range n {
		b.WriteString("&" + name(i) + "=x")
	}
	return b.String()
}

// TestHostileInputIsCheap sends what nobody means well: every call is refused in
// the documented words, and costs memory and time in proportion to the largest
// body that is accepted at most (docs/spec/ec2-api.md section 1.1).
func TestHostileInputIsCheap(t *testing.T) {
	const mebi = 1 << 20
	r := start(t)
	form := func(body string) *http.Request { return sign(t, r.post(t, body), body, scope{}) }
	json := func(body string) *http.Request {
		req := r.post(t, body)
		req.Header.Set("Content-Type", "application/x-amz-json-1.1")
		req.Header.Set("X-Amz-Target", "PhotonAdminProxyService.DescribeFleets")
		return sign(t, req, body, scope{service: "appstream"})
	}
	large := func(length int64) *http.Request {
		req, err := http.NewRequest(http.MethodPost, r.URL, io.LimitReader(new(endless), 64*mebi))
		if err != nil {
			t.Fatal(err)
		}
		req.ContentLength = length
		return req
	}
	deep := strings.Repeat(`{"Names":[`, 100_000)
	cases := []struct {
		name    string
		request *http.Request
		status  int
		code    string
		most    int64 // bytes
	}{
		{"64 MiB, announced", large(64 * mebi), 413, "RequestEntityTooLarge", 8 * mebi},
		{"64 MiB, not announced", large(-1), 413, "RequestEntityTooLarge", 8 * mebi},
		{"64 MiB, announced as a little", large(10), 413, "RequestEntityTooLarge", 8 * mebi},
		{"100,000 parameters", form(names(100_000, func(i int) string { return fmt.Sprintf("P%d", i) })), 400, "UnknownParameter", 16 * mebi},
		{"50,000 elements of a list", form(names(50_000, func(i int) string { return fmt.Sprintf("TagSpecification.%d.Tag.1.Key", i+1) })), 400, "MissingParameter", 48 * mebi},
		{"100,000 times the same", form(names(100_000, func(int) string { return "GroupName" })), 400, "InvalidParameterCombination", 16 * mebi},
		{"an absurd index", form(names(1, func(int) string { return "TagSpecification.999999999.Tag.999999999.Key" })), 400, "MissingParameter", mebi},
		{"an index beyond", form(names(1, func(int) string { return "TagSpecification.99999999999999999999.Key" })), 400, "UnknownParameter", mebi},
		{"index zero", form(names(1, func(int) string { return "TagSpecification.0.Tag.1.Key" })), 400, "UnknownParameter", mebi},
		{"a negative index", form(names(1, func(int) string { return "TagSpecification.-1.Tag.1.Key" })), 400, "UnknownParameter", mebi},
		{"a deep name", form(names(1, func(int) string { return strings.Repeat("TagSpecification.1.", 50_000) })), 400, "UnknownParameter", 8 * mebi},
		{"both a list and its element", form("Action=CreateSecurityGroup&TagSpecification=x&TagSpecification.1.ResourceType=vpc"), 400, "UnknownParameter", mebi},
		{"no UTF-8", form("Action=CreateSecurityGroup&GroupName=%ff%fe"), 400, "InvalidParameterValue", mebi},
		{"half an escape", form("Action=CreateSecurityGroup&GroupName=%f"), 400, "MalformedQueryString", mebi},
		{"deep JSON", json(deep), 400, "SerializationException", 8 * mebi},
		{"JSON that is none", json("\xff\xfe{"), 400, "SerializationException", mebi},
		{"JSON with a number beyond", json(`{"NextToken":1e999999999}`), 400, "SerializationException", mebi},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			answer, bytes, took := r.cost(t, c.request)
			if body := answer.Body.String(); answer.Code != c.status || !strings.Contains(body, c.code) {
				t.Errorf("%d %.300s; want %d %s", answer.Code, body, c.status, c.code)
			}
			if answer.Body.Len() > 2*mebi+4096 {
				t.Errorf("the answer has %d bytes", answer.Body.Len())
			}
			t.Logf("%.1f MiB, %s", float64(bytes)/mebi, took)
			if bytes > c.most {
				t.Errorf("%.1f MiB were allocated, more than %d", float64(bytes)/mebi, c.most/mebi)
			}
			if took > 5*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}
