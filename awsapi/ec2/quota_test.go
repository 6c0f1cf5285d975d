// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	sdktypes "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/secgroup"
)

// TestQuotasAreShown is section 11.1 of docs/spec/ec2-api.md for limits that an
// operator set, and for one that requests are checked against.
func TestQuotasAreShown(t *testing.T) {
	r := newRig(t, control.Config{})
	if err := r.control.SetQuota(t.Context(), secgroup.Scope{Account: r.key.Account, Region: "us-east-1"}, "groups-per-interface", 8); err != nil {
		t.Fatal(err)
	}
	for region, want := range map[string]string{"us-east-1": "8", "eu-west-1": "5"} {
		out := must(r.in(region).DescribeAccountAttributes(t.Context(), &sdk.DescribeAccountAttributesInput{
			AttributeNames: []sdktypes.AccountAttributeName{"vpc-max-security-groups-per-interface"},
		}))(t)
		if got := *out.AccountAttributes[0].AttributeValues[0].AttributeValue; got != want {
			t.Errorf("%s shows %s groups per interface, want %s", region, got, want)
		}
	}
	if err := r.control.SetQuota(t.Context(), secgroup.Scope{Account: r.key.Account, Region: "us-east-1"}, "entries-per-prefix-list", 10); err != nil {
		t.Fatal(err)
	}
	_, err := r.CreateManagedPrefixList(t.Context(), &sdk.CreateManagedPrefixListInput{PrefixListName: new("a"), AddressFamily: new("IPv4"), MaxEntries: new(int32(11))})
	refused(t, err, "InvalidParameterValue: Must specify a max size between 1 and 10")
}
