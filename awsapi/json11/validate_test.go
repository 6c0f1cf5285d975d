// SPDX-License-Identifier: Apache-2.0

package json11_test

import (
	"strings"
	"testing"

	"github.com/hedgeward/hedgeward/awsapi/appstream/appstreamtypes"
	"github.com/hedgeward/hedgeward/awsapi/json11"
)

func TestValidateSaysAllThatIsWrong(t *testing.T) {
	for _, tt := range []struct{ body, want string }{
		{`{"Name":"F","InstanceType":"stream.standard.small","VpcConfig":{"SecurityGroupIds":["1","2","3","4","5"]}}`, ""},
		{`{"Name":"F"}`, "1 validation error detected: Value null at 'instanceType' failed to satisfy constraint: Member must not be null"},
		{
			`{"Name":"F","InstanceType":"","VpcConfig":{"SecurityGroupIds":["1","2","3","4","5","6"]}}`,
			"2 validation errors detected: Value '' at 'instanceType' failed to satisfy constraint: Member must have length greater than or equal to 1; " +
				"Value '[1 2 3 4 5 6]' at 'vpcConfig.securityGroupIds' failed to satisfy constraint: Member must have length less than or equal to 5",
		},
		{
			`{"Name":"F","InstanceType":"x","FleetType":"SOMETIMES"}`,
			"1 validation error detected: Value 'SOMETIMES' at 'fleetType' failed to satisfy constraint: Member must satisfy enum value set: [ALWAYS_ON ON_DEMAND ELASTIC]",
		},
		{
			`{"Name":"F","InstanceType":"x","SessionScriptS3Location":{"S3Bucket":"ab"},"Tags":{}}`,
			"2 validation errors detected: Value 'ab' at 'sessionScriptS3Location.s3Bucket' failed to satisfy constraint: Member must have length greater than or equal to 3; " +
				"Value 'map[]' at 'tags' failed to satisfy constraint: Member must have length greater than or equal to 1",
		},
	} {
		in := new(appstreamtypes.CreateFleetRequest)
		if err := json11.Decode([]byte(tt.body), in); err != nil {
			t.Fatal(err)
		}
		err := json11.Validate(in, appstreamtypes.Enumerations)
		got := ""
		if err != nil {
			got = strings.TrimPrefix(err.Error(), "ValidationException: ")
		}
		if got != tt.want {
			t.Errorf("%s:\ngot  %s\nwant %s", tt.body, got, tt.want)
		}
	}
	in := &appstreamtypes.UpdateFleetRequest{AttributesToDelete: []string{"IAM_ROLE_ARN", "EVERYTHING"}}
	if err := json11.Validate(in, appstreamtypes.Enumerations); err == nil || !strings.Contains(err.Error(), "at 'attributesToDelete.2.member'") {
		t.Errorf("an element outside its enumeration: %v", err)
	}
}
