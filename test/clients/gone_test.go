// SPDX-License-Identifier: Apache-2.0

package clients_test

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/smithy-go"
)

// wantNoVPC asks the API, by a client that has made nothing, whether a VPC is
// gone, and so everything that was in it.
func wantNoVPC(t *testing.T, id string) {
	t.Helper()
	cfg, err := config.LoadDefaultConfig(t.Context(),
		config.WithSharedConfigProfile("hedgeward"),
		config.WithSharedConfigFiles([]string{filepath.Join(shared.state, "aws", "config")}),
		config.WithSharedCredentialsFiles([]string{filepath.Join(shared.state, "aws", "credentials")}),
	)
	if err != nil {
		t.Fatal(err)
	}
	_, err = ec2.NewFromConfig(cfg).DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{VpcIds: []string{id}})
	var refusal smithy.APIError
	if !errors.As(err, &refusal) || refusal.ErrorCode() != "InvalidVpcID.NotFound" {
		t.Errorf("%s after it was destroyed: %v, want InvalidVpcID.NotFound", id, err)
	}
}
