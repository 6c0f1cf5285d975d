// SPDX-License-Identifier: Apache-2.0

package awsapi_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/hedgeward/hedgeward/awsapi"
	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
)

// BenchmarkCall is the edge alone: signature, decoding, dispatch, encoding and
// the log record, for an operation that does nothing.
func BenchmarkCall(b *testing.B) {
	server, err := awsapi.New(awsapi.Config{
		Services: []*awsapi.Service{awsapi.NewService(ec2types.Model, awsapi.EC2Query,
			awsapi.Op("CreateSecurityGroup", func(*awsapi.Call, *ec2types.CreateSecurityGroupRequest) (func(context.Context) (*ec2types.CreateSecurityGroupResult, error), error) {
				return func(context.Context) (*ec2types.CreateSecurityGroupResult, error) {
					return &ec2types.CreateSecurityGroupResult{GroupId: aws.String("sg-0123456789abcdef0")}, nil
				}, nil
			}))},
		Credentials: keys{}, Authorizer: awsapi.AllowAll{}, Regions: func(string) bool { return true }, Now: time.Now, Log: discard(),
	})
	if err != nil {
		b.Fatal(err)
	}
	body := []byte("Action=CreateSecurityGroup&Version=2016-11-15&GroupName=web&GroupDescription=web+servers&VpcId=vpc-0123456789abcdef0")
	r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1:4566/", nil)
	r.ContentLength = int64(len(body))
	sum := sha256.Sum256(body)
	if err := v4.NewSigner().SignHTTP(b.Context(), aws.Credentials{AccessKeyID: key, SecretAccessKey: secret}, r, hex.EncodeToString(sum[:]), "ec2", "us-east-1", time.Now()); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		r.Body = io.NopCloser(bytes.NewReader(body))
		w := httptest.NewRecorder()
		server.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			b.Fatalf("got %d %s", w.Code, w.Body)
		}
	}
}
