// SPDX-License-Identifier: Apache-2.0

package json11

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hedgeward/hedgeward/awsapi/appstream/appstreamtypes"
	"github.com/hedgeward/hedgeward/awsapi/wire"
	"github.com/hedgeward/hedgeward/secgroup"
)

func ptr[T any](v T) *T { return &v }

// everything has one member of each kind.
type everything struct {
	Bool   *bool             `in:"Bool" out:"Bool"`
	Bytes  []byte            `in:"Bytes" out:"Bytes"`
	Float  *float64          `in:"Float" out:"Float"`
	Int    *int32            `in:"Int" out:"Int"`
	List   []string          `in:"List" out:"List"`
	Long   *int64            `in:"Long" out:"Long"`
	Map    map[string]string `in:"Map" out:"Map"`
	Nested *everything       `in:"Nested" out:"Nested"`
	Many   []everything      `in:"Many" out:"Many"`
	Text   *string           `in:"Text" out:"Text"`
	Time   *time.Time        `in:"Time" out:"Time"`
}

func TestRoundTrip(t *testing.T) {
	at := time.UnixMilli(1_743_129_720_125).UTC()
	want := &everything{
		Bool: ptr(false), Bytes: []byte("hi"), Float: ptr(0.25), Int: ptr(int32(-7)), List: []string{"a", ""}, Long: ptr(int64(1) << 60),
		Map: map[string]string{"b": "2", "a": "<1>"}, Nested: &everything{Text: ptr("ü\u2028\"\\\n")}, Many: []everything{{}, {Int: ptr(int32(0))}},
		Text: ptr(""), Time: &at,
	}
	const text = `{"Bool":false,"Bytes":"aGk=","Float":0.25,"Int":-7,"List":["a",""],"Long":1152921504606846976,` +
		`"Map":{"a":"\u003c1\u003e","b":"2"},"Nested":{"Text":"ü\u2028\"\\\n"},"Many":[{},{"Int":0}],"Text":"","Time":1743129720.125}`
	if got := string(Result(want)); got != text {
		t.Errorf("got  %s\nwant %s", got, text)
	}
	got := new(everything)
	if err := Decode([]byte(text), got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestDecode(t *testing.T) {
	for body, want := range map[string]everything{
		"":                                 {},
		" \n":                              {},
		`{}`:                               {},
		`{"Text":null,"List":null}`:        {},
		`{"text":"other case","Foo":[{}]}`: {},
		`{"List":[]}`:                      {List: []string{}},
		`{"List":["a",null]}`:              {List: []string{"a"}},
		`{"Map":{"k":null}}`:               {Map: map[string]string{}},
		`{"Nested":{}}`:                    {Nested: &everything{}},
		`{"Time":1743129720}`:              {Time: ptr(time.Unix(1_743_129_720, 0).UTC())},
		`{"Time":1.743129720E9}`:           {Time: ptr(time.Unix(1_743_129_720, 0).UTC())},
	} {
		got := new(everything)
		if err := Decode([]byte(body), got); err != nil {
			t.Errorf("%s: %v", body, err)
		} else if diff := cmp.Diff(&want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", body, diff)
		}
	}
}

func TestRefusedBodies(t *testing.T) {
	for body, want := range map[string]string{
		`{`:                     "The request body is not valid JSON.",
		`{"Text":"a"} {}`:       "The request body holds more than one JSON value.",
		`[]`:                    "The request body is not a JSON object.",
		`null`:                  "The request body is not a JSON object.",
		`{"Text":1}`:            "The value of Text is not a valid string.",
		`{"Bool":"true"}`:       "The value of Bool is not a valid boolean.",
		`{"Int":"1"}`:           "The value of Int is not a valid integer.",
		`{"Int":1.5}`:           "The value of Int is not a valid integer.",
		`{"Int":2147483648}`:    "The value of Int is not a valid integer.",
		`{"Long":1e3}`:          "The value of Long is not a valid long.",
		`{"Float":1e999}`:       "The value of Float is not a valid double.",
		`{"Float":true}`:        "The value of Float is not a valid double.",
		`{"Time":"yesterday"}`:  "The value of Time is not a valid timestamp.",
		`{"Time":1e300}`:        "The value of Time is not a valid timestamp.",
		`{"Bytes":"*"}`:         "The value of Bytes is not a valid blob.",
		`{"Bytes":1}`:           "The value of Bytes is not a valid blob.",
		`{"List":"a"}`:          "The value of List is not a valid list.",
		`{"List":["a",1]}`:      "The value of List[1] is not a valid string.",
		`{"Map":[]}`:            "The value of Map is not a valid map.",
		`{"Nested":[]}`:         "The value of Nested is not a valid structure.",
		`{"Many":[{"Int":[]}]}`: "The value of Many[0].Int is not a valid integer.",
		strings.Repeat(`{"Nested":`, 20_000) + `{}`: "The request body is not valid JSON.",
	} {
		err := Decode([]byte(body), new(everything))
		e := new(secgroup.Error)
		if !errors.As(err, &e) || e.Code != "SerializationException" || e.Message != want {
			t.Errorf("%.60s: got %v, want %s", body, err, want)
		}
	}
}

func TestResultOfNothing(t *testing.T) {
	for _, out := range []any{nil, (*everything)(nil), new(everything)} {
		if got := string(Result(out)); got != "{}" {
			t.Errorf("got %s", got)
		}
	}
}

func TestError(t *testing.T) {
	if got, want := string(Error("X", `a "b"`)), `{"__type":"X","Message":"a \"b\"","message":"a \"b\""}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Every request and result of the AppStream model can be carried.
func TestModel(t *testing.T) {
	for name, op := range appstreamtypes.Model.Operations {
		if err := Decode([]byte(`{"Name":"n"}`), op.NewInput()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := Result(op.NewOutput()); string(got) != "{}" {
			t.Errorf("%s gives %s", name, got)
		}
	}
	in := new(appstreamtypes.CreateFleetRequest)
	if err := Decode([]byte(`{"Name":"f","VpcConfig":{"SecurityGroupIds":["sg-1"],"SubnetIds":["subnet-1"]}}`), in); err != nil {
		t.Fatal(err)
	}
	if in.VpcConfig == nil || len(in.VpcConfig.SecurityGroupIds) != 1 || in.VpcConfig.SecurityGroupIds[0] != "sg-1" {
		t.Errorf("got %+v", in.VpcConfig)
	}
	if name, ok := wire.Missing(in); !ok || name != "InstanceType" {
		t.Errorf("missing is %q", name)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(`{"Bool":true,"Many":[{"Map":{"a":"b"}}],"Time":1}`)
	f.Add(`{"Nested":{"Nested":{"List":[null]}}}`)
	f.Fuzz(func(t *testing.T, body string) {
		in := new(everything)
		if err := Decode([]byte(body), in); err != nil {
			if e := new(secgroup.Error); !errors.As(err, &e) {
				t.Errorf("%q: %v is no answer for a client", body, err)
			}
			return
		}
		if out := Result(in); !json.Valid(out) {
			t.Errorf("%q gives %s", body, out)
		}
	})
}
