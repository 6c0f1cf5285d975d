// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/secgroup"
)

// refusal is what a call was answered with instead of a result.
type refusal struct {
	status        int
	code, message string
}

func (r refusal) String() string { return fmt.Sprintf("%d %s: %s", r.status, r.code, r.message) }

// stage is the server that cases are played on, with what all of them were
// refused with.
type stage struct {
	*rig
	later   time.Duration // how far the operator's clock is ahead
	cast    int           // accounts made so far
	refused []refusal
}

// newStage returns a stage whose clock scripts can set forward.
func newStage(t *testing.T) *stage {
	t.Helper()
	s := new(stage)
	s.rig = newRig(t, control.Config{
		Images: []control.Image{{ID: "ami-netns", Name: "namespace"}}, Now: s.now,
	})
	return s
}

func (s *stage) now() time.Time { return time.Now().Add(s.later) }

// account makes an account and returns a key of its administrator.
func (s *stage) account(t *testing.T) *secgroup.AccessKey {
	t.Helper()
	s.cast++
	id := fmt.Sprintf("5000%08d", s.cast)
	must(s.control.CreateAccount(t.Context(), id))(t)
	must(s.control.CreateUser(t.Context(), id, "player", []string{control.AdministratorPolicy}))(t)
	key := must(s.control.CreateAccessKey(t.Context(), id, "player"))(t)
	if err := s.control.EnsureRegion(t.Context(), secgroup.Scope{Account: id, Region: "us-east-1"}); err != nil {
		t.Fatal(err)
	}
	return key
}

// send signs a form and returns status and body of the answer.
func (r *rig) send(t *testing.T, key *secgroup.AccessKey, form url.Values) (int, string) {
	t.Helper()
	body := form.Encode()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	sum := sha256.Sum256([]byte(body))
	if err := v4.NewSigner().SignHTTP(t.Context(), aws.Credentials{AccessKeyID: key.ID, SecretAccessKey: key.Secret}, req, hex.EncodeToString(sum[:]), "ec2", "us-east-1", time.Now()); err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(answer)
}

// play is one case being played.
type play struct {
	*stage
	t     *testing.T
	key   *secgroup.AccessKey // of the account that calls
	casts map[string]*secgroup.AccessKey
	names map[string]string
}

// TestConformance plays every case of testdata/conformance: the vectors of
// docs/spec/ec2-api.md section 17, the rows of its error catalogue, the decisions
// of section 16 and the deviations of section 15. That none is missing is
// TestEveryRefusalIsACase and the repository's TestEveryCaseIsATest.
func TestConformance(t *testing.T) {
	s := newStage(t)
	for _, scene := range readScripts(t, "testdata/conformance") {
		t.Run(scene.name, func(t *testing.T) {
			p := &play{stage: s, t: t, key: s.account(t), names: map[string]string{}}
			p.casts = map[string]*secgroup.AccessKey{"first": p.key}
			p.names["account"] = p.key.Account
			for _, step := range scene.steps {
				p.do(step)
			}
		})
	}
	checkCatalogue(t, s.refused)
}

func (p *play) do(s step) {
	p.t.Helper()
	switch order := s.words[0]; order {
	case "@as":
		p.as(s.words[1])
	case "@quota":
		n, err := strconv.Atoi(s.words[2])
		if err == nil {
			err = p.control.SetQuota(p.t.Context(), secgroup.Scope{Account: p.key.Account, Region: "us-east-1"}, s.words[1], n)
		}
		p.fatal(s, err)
	case "@state":
		p.fatal(s, p.control.ReportInstance(p.t.Context(), "local", p.fill(s.words[1]), secgroup.InstanceState(s.words[2]), ""))
	case "@clock":
		d, err := time.ParseDuration(s.words[1])
		p.fatal(s, err)
		p.later += d
	default:
		p.call(s)
	}
}

func (p *play) fatal(s step, err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatalf("line %d, %s: %v", s.line, strings.Join(s.words, " "), err)
	}
}

// as makes the calls that follow those of another account.
func (p *play) as(name string) {
	p.t.Helper()
	if p.casts[name] == nil {
		p.casts[name] = p.account(p.t)
		p.names[name] = p.casts[name].Account
	}
	p.key = p.casts[name]
}

// fill puts in what names stand for, making what is prepared and not made yet.
func (p *play) fill(s string) string {
	p.t.Helper()
	return repeat(variable.ReplaceAllStringFunc(s, func(name string) string {
		name = name[1:]
		if value, ok := p.names[name]; ok {
			return value
		}
		ready, ok := prepared[name]
		if !ok {
			p.t.Fatalf("nothing is named $%s", name)
		}
		status, body := p.send(p.t, p.key, p.form(strings.Fields(ready.call)))
		if status != http.StatusOK {
			p.t.Fatalf("$%s: %s", name, body)
		}
		p.names[name] = element(body, ready.element, 1)
		return p.names[name]
	}))
}

// form returns the form of a call.
func (p *play) form(words []string) url.Values {
	p.t.Helper()
	form := url.Values{"Action": {words[0]}, "Version": {"2016-11-15"}}
	permissions := 0
	for _, w := range words[1:] {
		name, value, found := strings.Cut(w, "=")
		switch {
		case !found:
			p.t.Fatalf("%s: %s is no parameter", words[0], w)
		case name == "permit":
			permissions++
			permit(form, fmt.Sprintf("IpPermissions.%d.", permissions), strings.Split(p.fill(value), ","))
		case name == "many":
			many(form, value)
		default:
			form.Set(name, p.fill(value))
		}
	}
	return form
}

var wantedRefusal = regexp.MustCompile(`(?s)^! (?:(\d{3}) )?([A-Za-z.]+): (.*)$`)

// call makes one call and holds the answer to what is wanted of it.
func (p *play) call(s step) {
	p.t.Helper()
	what := fmt.Sprintf("line %d, %s", s.line, s.words[0])
	wants := make([]string, len(s.wants))
	for i, w := range s.wants {
		wants[i] = w
		if !namesElement.MatchString(w) {
			wants[i] = p.fill(w) // made before the call, so that they are no part of what it changes
		}
	}
	form := p.form(s.words)
	before := p.control.Read().Revision
	status, body := p.send(p.t, p.key, form)
	var got *refusal
	if status != http.StatusOK {
		got = new(readRefusal(status, body))
		p.stage.refused = append(p.stage.refused, *got)
		if after := p.control.Read().Revision; after != before {
			p.t.Errorf("%s was refused (%s) and wrote something", what, got)
		}
	}
	for _, w := range wants {
		if m := wantedRefusal.FindStringSubmatch(w); m != nil {
			want := refusal{status: 400, code: m[2], message: m[3]}
			if m[1] != "" {
				want.status, _ = strconv.Atoi(m[1])
			}
			if got == nil {
				p.t.Errorf("%s succeeded\nwant %s\n%s", what, want, body)
			} else if *got != want {
				p.t.Errorf("%s\ngot  %s\nwant %s", what, got, want)
			}
			return
		}
	}
	if got != nil {
		p.t.Fatalf("%s: %s", what, got)
	}
	for _, w := range wants {
		p.held(what, body, w)
	}
}

var elementIs = regexp.MustCompile(`^([A-Za-z0-9]+)(?:#(\d+))? is (.*)$`)

var namesElement = regexp.MustCompile(`^([a-z][a-z0-9]*) = ([A-Za-z0-9]+)(?:#(\d+))?$`)

// held checks one wanted thing of an answer.
func (p *play) held(what, body, want string) {
	p.t.Helper()
	if m := namesElement.FindStringSubmatch(want); m != nil {
		n, _ := strconv.Atoi(m[3])
		text := element(body, m[2], max(1, n))
		if text == "" {
			p.t.Fatalf("%s: no %s in %s", what, m[2], body)
		}
		p.names[m[1]] = text
		return
	}
	if m := elementIs.FindStringSubmatch(want); m != nil {
		n, _ := strconv.Atoi(m[2])
		if got := element(body, m[1], max(1, n)); got != m[3] {
			p.t.Errorf("%s: %s is %q, want %q in %s", what, m[1], got, m[3], body)
		}
		return
	}
	sign, text, _ := strings.Cut(want, " ")
	n := strings.Count(body, text)
	switch times, err := strconv.Atoi(sign); {
	case sign == "+" && n == 0, sign == "-" && n > 0, err == nil && n != times:
		p.t.Errorf("%s: want %s, got %s", what, want, body)
	case sign != "+" && sign != "-" && err != nil:
		p.t.Fatalf("%s: cannot read %q", what, want)
	}
}

// element returns the text of the n-th element of a name, "" without one.
func element(body, name string, n int) string {
	all := regexp.MustCompile(`<`+name+`>([^<]+)</`+name+`>`).FindAllStringSubmatch(body, n)
	if len(all) < n {
		return ""
	}
	return all[n-1][1]
}

func readRefusal(status int, body string) refusal {
	var e struct {
		Code    string `xml:"Errors>Error>Code"`
		Message string `xml:"Errors>Error>Message"`
	}
	if err := xml.Unmarshal([]byte(body), &e); err != nil {
		e.Code, e.Message = "unreadable", body
	}
	return refusal{status, e.Code, e.Message}
}
