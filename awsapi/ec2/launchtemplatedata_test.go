// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"encoding/json"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
)

// fill gives v, and everything in it, a value that is not its zero value.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0))
		fill(v.Index(1))
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)))
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case reflect.String:
		v.SetString("text")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int32, reflect.Int64:
		v.SetInt(7)
	case reflect.Float64:
		v.SetFloat(7.5)
	default:
		panic("a kind that no request has: " + v.Kind().String())
	}
}

// members returns the JSON object of a value.
func members(t *testing.T, value any) map[string]any {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	return given(out).(map[string]any)
}

// TestTemplateDataKeepEveryMember shows that nothing of the data is lost on its
// way from a request through the store into results and into launches.
func TestTemplateDataKeepEveryMember(t *testing.T) {
	var in ec2types.RequestLaunchTemplateData
	fill(reflect.ValueOf(&in).Elem())
	data, err := encodeTemplate(&in)
	if err != nil {
		t.Fatal(err)
	}
	var again ec2types.RequestLaunchTemplateData
	if err := decodeTemplate(data, &again); err != nil || !reflect.DeepEqual(in, again) {
		t.Errorf("stored and read: %v, %+v", err, again)
	}
	whole := members(t, in)

	var shown ec2types.ResponseLaunchTemplateData
	if err := decodeTemplate(data, &shown); err != nil {
		t.Fatal(err)
	}
	got := members(t, shown)
	for name, want := range whole {
		if name == "Operator" { // who manages an instance is shown in other words
			continue
		}
		if !reflect.DeepEqual(got[name], want) {
			t.Errorf("results show %s as %v, want %v", name, got[name], want)
		}
	}

	in.InstanceRequirements = nil // not a member of a launch; see TestLaunchFromTemplateRefused
	if data, err = encodeTemplate(&in); err != nil {
		t.Fatal(err)
	}
	launch, err := launchFrom(data, &ec2types.RunInstancesRequest{})
	if err != nil {
		t.Fatal(err)
	}
	got = members(t, launch)
	for other, name := range map[string]string{"ElasticGpuSpecification": "ElasticGpuSpecifications", "RamdiskId": "RamDiskId"} {
		got[name] = got[other]
	}
	for name, want := range members(t, in) {
		if !reflect.DeepEqual(got[name], want) {
			t.Errorf("a launch takes %s as %v, want %v", name, got[name], want)
		}
	}
}

func TestTemplateDataAreSmall(t *testing.T) {
	long := string(slices.Repeat([]byte("x"), maxTemplateData))
	if _, err := encodeTemplate(&ec2types.RequestLaunchTemplateData{UserData: &long}); err == nil {
		t.Error("data beyond the limit are taken")
	}
	data, err := encodeTemplate(&ec2types.RequestLaunchTemplateData{InstanceType: new("t3.micro")})
	if err != nil || string(data) != `{"InstanceType":"t3.micro"}` {
		t.Errorf("stored as %s, %v; want what was given alone", data, err)
	}
}
