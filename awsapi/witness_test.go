// SPDX-License-Identifier: Apache-2.0

package awsapi_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/google/go-cmp/cmp"

	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/awsapi/query"
	"github.com/hedgeward/hedgeward/awsapi/sts/ststypes"
	"github.com/hedgeward/hedgeward/awsapi/wire"
)

// exchange is an HTTP client that keeps what the SDK sends and answers what the
// test wants.
type exchange struct {
	sent   []byte
	answer []byte
}

func (e *exchange) Do(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	e.sent = body
	return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"text/xml"}}, Body: io.NopCloser(bytes.NewReader(e.answer)), Request: r}, nil
}

// For every operation of the models, with every member of every structure set:
// what the SDK sends is what our types say, and what our types say is what the
// SDK reads. So the SDK is the witness of each wire name.
func TestSDKWitnessesEveryWireName(t *testing.T) {
	link := new(exchange)
	config := aws.Config{
		Region: "us-east-1", HTTPClient: link, BaseEndpoint: aws.String("http://127.0.0.1"),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: key, SecretAccessKey: secret}, nil
		}),
		Retryer: func() aws.Retryer { return aws.NopRetryer{} },
	}
	for _, service := range []struct {
		model      *wire.Model
		operations int
		client     any
		encode     func([]byte, *wire.Model, *wire.Operation, string, any) []byte
	}{
		{ec2types.Model, 136, ec2.NewFromConfig(config), query.EC2Result},
		{ststypes.Model, 3, sts.NewFromConfig(config), query.AWSResult},
	} {
		if len(service.model.Operations) != service.operations {
			t.Errorf("%s has %d operations, want %d", service.model.Service, len(service.model.Operations), service.operations)
		}
		client := reflect.ValueOf(service.client)
		names := make([]string, 0, len(service.model.Operations))
		for name := range service.model.Operations {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			t.Run(service.model.Service+" "+name, func(t *testing.T) {
				op := service.model.Operations[name]
				n := 0
				in, out := op.NewInput(), op.NewOutput()
				fill(reflect.ValueOf(in), &n)
				fill(reflect.ValueOf(out), &n)
				link.answer = service.encode(nil, service.model, op, "id", out)

				call := client.MethodByName(name)
				sdkIn := reflect.New(call.Type().In(1).Elem())
				if err := carry(reflect.ValueOf(in).Elem(), sdkIn.Elem(), name); err != nil {
					t.Fatal(err)
				}
				results := call.Call([]reflect.Value{reflect.ValueOf(t.Context()), sdkIn})
				if err, _ := results[1].Interface().(error); err != nil {
					t.Fatal(err)
				}

				form, err := query.ParseForm("", link.sent)
				if err != nil {
					t.Fatal(err)
				}
				got := op.NewInput()
				if err := form.Decode(got); err != nil {
					t.Errorf("%v\nin %s", err, link.sent)
				}
				if diff := cmp.Diff(in, got); diff != "" {
					t.Errorf("request (-filled +decoded)\n%s", diff)
				}
				if form.Action() != name || form.Version() != service.model.Version {
					t.Errorf("action %s, version %s", form.Action(), form.Version())
				}

				back := op.NewOutput()
				if err := carry(results[0].Elem(), reflect.ValueOf(back).Elem(), name); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(out, back); diff != "" {
					t.Errorf("result (-filled +read by the SDK)\n%s", diff)
				}
			})
		}
	}
}

// fill sets everything in v to values that differ from one another.
func fill(v reflect.Value, n *int) {
	*n++
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		fill(v.Elem(), n)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Unix(1_700_000_000+int64(*n), 0).UTC()))
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i), n)
		}
	case reflect.Slice:
		if v.Type() == reflect.TypeFor[[]byte]() {
			v.SetBytes(fmt.Appendf(nil, "bytes %d", *n))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0), n)
		fill(v.Index(1), n)
	case reflect.String:
		v.SetString(fmt.Sprintf("<text & %d>", *n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int32, reflect.Int64:
		v.SetInt(int64(*n))
	case reflect.Float64:
		v.SetFloat(float64(*n) + 0.5)
	default:
		panic("witness: cannot fill " + v.Type().String())
	}
}

// carry copies between a type of ours and the SDK's type for the same shape,
// which names fields alike but has its own scalar types. Fields that only the
// SDK has are left alone.
func carry(from, to reflect.Value, path string) error {
	if from.Kind() == reflect.Pointer {
		if from.IsNil() {
			return nil
		}
		from = from.Elem()
	}
	if to.Kind() == reflect.Pointer {
		if from.Kind() == reflect.String && from.Len() == 0 && from.Type() != reflect.TypeFor[string]() {
			return nil // the SDK's absent enumeration
		}
		to.Set(reflect.New(to.Type().Elem()))
		to = to.Elem()
	}
	switch {
	case from.Type() == to.Type():
		to.Set(from)
	case from.Kind() == reflect.Struct && to.Kind() == reflect.Struct:
		ours := from.Type()
		if strings.Contains(ours.PkgPath(), "aws-sdk") {
			ours = to.Type()
		}
		for i := range ours.NumField() {
			name := ours.Field(i).Name
			a, b := from.FieldByName(name), to.FieldByName(name)
			if !a.IsValid() || !b.IsValid() {
				return fmt.Errorf("%s.%s is not in the SDK's type", path, name)
			}
			if err := carry(a, b, path+"."+name); err != nil {
				return err
			}
		}
	case from.Kind() == reflect.Slice && to.Kind() == reflect.Slice:
		if from.IsNil() {
			return nil
		}
		to.Set(reflect.MakeSlice(to.Type(), from.Len(), from.Len()))
		for i := range from.Len() {
			if err := carry(from.Index(i), to.Index(i), path+"[]"); err != nil {
				return err
			}
		}
	case from.CanConvert(to.Type()) && from.Kind() == to.Kind():
		to.Set(from.Convert(to.Type()))
	default:
		return fmt.Errorf("%s: %s is %s in the SDK", path, from.Type(), to.Type())
	}
	return nil
}
