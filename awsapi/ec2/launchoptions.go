// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"slices"

	"github.com/hedgeward/hedgeward/awsapi/ec2/ec2types"
	"github.com/hedgeward/hedgeward/secgroup"
)

// unsupportedLaunch reports whether a launch asks for something that would have
// to work and does not: above all whatever would change a packet's path. What
// only sizes or bills a machine is taken and has no effect
// (docs/spec/ec2-api.md section 6.1).
func unsupportedLaunch(in *ec2types.RunInstancesRequest) bool {
	switch {
	case in.InstanceMarketOptions != nil, in.Operator != nil,
		len(in.SecondaryInterfaces) > 0, len(in.ElasticGpuSpecification) > 0, len(in.ElasticInferenceAccelerators) > 0,
		len(in.LicenseSpecifications) > 0, deref(in.KernelId) != "", deref(in.RamdiskId) != "", deref(in.EnablePrimaryIpv6):
		return true
	case in.HibernationOptions != nil && deref(in.HibernationOptions.Configured),
		in.EnclaveOptions != nil && deref(in.EnclaveOptions.Enabled),
		in.CapacityReservationSpecification != nil && in.CapacityReservationSpecification.CapacityReservationTarget != nil:
		return true
	}
	if o := in.PrivateDnsNameOptions; o != nil && (deref(o.EnableResourceNameDnsAAAARecord) || deref(o.EnableResourceNameDnsARecord) ||
		deref(o.HostnameType) != "" && *o.HostnameType != ipName) {
		return true
	}
	if p := in.Placement; p != nil && (deref(p.Affinity) != "" || deref(p.GroupId) != "" || deref(p.GroupName) != "" || deref(p.HostId) != "" ||
		deref(p.HostResourceGroupArn) != "" || p.PartitionNumber != nil || deref(p.Tenancy) != "" && *p.Tenancy != "default") {
		return true
	}
	return slices.ContainsFunc(in.NetworkInterfaces, func(i ec2types.InstanceNetworkInterfaceSpecification) bool {
		return deref(i.AssociateCarrierIpAddress) || deref(i.PrimaryIpv6) ||
			deref(i.NetworkCardIndex) != 0 || i.EnaQueueCount != nil || i.EnaSrdSpecification != nil && deref(i.EnaSrdSpecification.EnaSrdEnabled)
	})
}

// ipName is the only kind of private DNS name: made of the address.
const ipName = "ip-name"

// parseOptions reads the settings that are kept to be shown.
func parseOptions(in *ec2types.RunInstancesRequest) (secgroup.Options, error) {
	if p := in.IamInstanceProfile; p != nil {
		if name := deref(p.Name); name != "" {
			return secgroup.Options{}, secgroup.Errorf("InvalidParameterValue", "Value (%s) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name", name)
		}
		return secgroup.Options{}, secgroup.Errorf("InvalidParameterValue", "Value (%s) for parameter iamInstanceProfile.arn is invalid. Invalid IAM Instance Profile ARN", deref(p.Arn))
	}
	o := secgroup.Options{
		NoStop: deref(in.DisableApiStop), NoTermination: deref(in.DisableApiTermination), EBSOptimized: deref(in.EbsOptimized),
		ShutdownBehavior: deref(in.InstanceInitiatedShutdownBehavior),
		Monitoring:       in.Monitoring != nil && deref(in.Monitoring.Enabled),
	}
	if m := in.MetadataOptions; m != nil {
		o.MetadataTokens, o.MetadataEndpoint, o.MetadataIPv6 = deref(m.HttpTokens), deref(m.HttpEndpoint), deref(m.HttpProtocolIpv6)
		o.MetadataTags, o.MetadataHopLimit = deref(m.InstanceMetadataTags), deref(m.HttpPutResponseHopLimit)
	}
	for _, e := range []struct{ parameter, value, shape string }{
		{"instanceInitiatedShutdownBehavior", o.ShutdownBehavior, "ShutdownBehavior"},
		{"httpTokens", o.MetadataTokens, "HttpTokensState"},
		{"httpEndpoint", o.MetadataEndpoint, "InstanceMetadataEndpointState"},
		{"httpProtocolIpv6", o.MetadataIPv6, "InstanceMetadataProtocolState"},
		{"instanceMetadataTags", o.MetadataTags, "InstanceMetadataTagsState"},
	} {
		if err := checkEnumeration(e.parameter, e.value, e.shape); err != nil {
			return o, err
		}
	}
	if o.MetadataHopLimit < 0 || o.MetadataHopLimit > 64 {
		return o, secgroup.Errorf("InvalidParameterValue", "Value (%d) for parameter httpPutResponseHopLimit is invalid. Expecting a value from 1 to 64.", o.MetadataHopLimit)
	}
	return o, nil
}

// checkEnumeration admits "" and the values of one of the model's enumerations.
func checkEnumeration(parameter, value, shape string) error {
	if value == "" || slices.Contains(ec2types.Enumerations[shape], value) {
		return nil
	}
	return secgroup.Errorf("InvalidParameterValue", "Value (%s) for parameter %s is invalid.", value, parameter)
}
