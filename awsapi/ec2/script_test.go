// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// A script is a text of cases for the conformance test. Every case starts with
// nothing: an account of its own.
//
//	case API-C3 the name is taken
//	CreateSecurityGroup GroupName=a GroupDescription="of a" VpcId=$vpc
//	    a = groupId
//	CreateSecurityGroup GroupName=a GroupDescription=b VpcId=$vpc
//	    ! InvalidGroup.Duplicate: The security group 'a' already exists for VPC '$vpc'
//	DescribeSecurityGroups GroupId.1=$a
//	    + <groupName>a</groupName>
//	    - <tagSet>
//	    2 <ipProtocol>
//
// A call is an operation and its parameters by wire name. The indented lines below
// it say what has to come of it: a refusal (! Code: Message, with a status before
// the code when it is not 400), text that the answer holds (+), does not hold (-)
// or holds so many times (a number), the text of an element (fromPort is 22; cidrIp#2
// is 10.0.0.0/8 for the second of its name), or a name for that text (a = groupId; b
// = groupId#2). Without a "!" the call has to succeed.
// After a refusal nothing may have changed.
//
// permit=tcp,22,23,10.0.0.0/8,sg-1 is short for a permission with its protocol,
// ports and peers; what is empty is left out.
// many=Tag.N.Key,51 is short for the parameters Tag.1.Key to Tag.51.Key, each with
// another value.
//
// $name stands for what was named, or for one of the things that most cases need
// (prepared), made when it is first named; {x*256} for a text that is repeated.
//
// Lines that begin with @ are done by the operator: @as other (the calls that
// follow are another account's; @as first goes back), @quota NAME N, @state
// INSTANCE running, @clock 25h (so much later).
type script []*scene

// scene is one case.
type scene struct {
	name  string // with its file: groups/API-C3 the name is taken
	steps []step
}

// step is a call or an order of the operator, with the lines that follow it.
type step struct {
	line  int
	words []string
	wants []string
}

// readScripts returns the cases of every file in a folder.
func readScripts(t *testing.T, folder string) script {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(folder, "*.txt"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("%s holds no script: %v", folder, err)
	}
	var out script
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		scenes, err := parseScript(strings.TrimSuffix(filepath.Base(path), ".txt"), string(text))
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		out = append(out, scenes...)
	}
	return out
}

func parseScript(file, text string) (script, error) {
	var out script
	for i, line := range strings.Split(text, "\n") {
		bare := strings.TrimSpace(line)
		switch {
		case bare == "" || bare[0] == '#':
		case strings.HasPrefix(line, "case "):
			out = append(out, &scene{name: file + "/" + strings.TrimPrefix(line, "case ")})
		case len(out) == 0:
			return nil, fmt.Errorf("line %d: no case yet", i+1)
		case bare != strings.TrimRight(line, " "):
			s := out[len(out)-1]
			if len(s.steps) == 0 {
				return nil, fmt.Errorf("line %d: no call yet", i+1)
			}
			last := &s.steps[len(s.steps)-1]
			last.wants = append(last.wants, bare)
		default:
			words, err := splitWords(bare)
			if err != nil {
				return nil, fmt.Errorf("line %d: %w", i+1, err)
			}
			s := out[len(out)-1]
			s.steps = append(s.steps, step{line: i + 1, words: words})
		}
	}
	return out, nil
}

var word = regexp.MustCompile(`[^\s"]*(?:"(?:[^"\\]|\\.)*")?`)

// splitWords splits at blanks, but not within quotes, and takes the quotes away.
func splitWords(line string) (words []string, err error) {
	for rest := strings.TrimLeft(line, " "); rest != ""; rest = strings.TrimLeft(rest, " ") {
		w := word.FindString(rest)
		if w == "" {
			return nil, fmt.Errorf("cannot read %q", rest)
		}
		rest = rest[len(w):]
		if before, quoted, found := strings.Cut(w, `"`); found {
			text, err := strconv.Unquote(`"` + quoted)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", w, err)
			}
			w = before + text
		}
		words = append(words, w)
	}
	return words, nil
}

// prepared are things that cases need and do not want to make. Each is a call and
// the element that is its name, in the account of the case.
var prepared = map[string]struct{ call, element string }{
	"vpc":      {"CreateVpc CidrBlock=10.0.0.0/16", "vpcId"},
	"subnet":   {"CreateSubnet VpcId=$vpc CidrBlock=10.0.0.0/24 AvailabilityZone=us-east-1a", "subnetId"},
	"group":    {"CreateSecurityGroup GroupName=web GroupDescription=d VpcId=$vpc", "groupId"},
	"rule":     {"AuthorizeSecurityGroupIngress GroupId=$group IpPermissions.1.IpProtocol=tcp IpPermissions.1.FromPort=22 IpPermissions.1.ToPort=22 IpPermissions.1.IpRanges.1.CidrIp=10.0.0.0/8", "securityGroupRuleId"},
	"eni":      {"CreateNetworkInterface SubnetId=$subnet SecurityGroupId.1=$group", "networkInterfaceId"},
	"instance": {"RunInstances ImageId=ami-netns MinCount=1 MaxCount=1 SubnetId=$subnet SecurityGroupId.1=$group", "instanceId"},
	"list":     {"CreateManagedPrefixList PrefixListName=l AddressFamily=IPv4 MaxEntries=5 Entry.1.Cidr=10.0.0.0/8", "prefixListId"},
	"template": {"CreateLaunchTemplate LaunchTemplateName=template LaunchTemplateData.ImageId=ami-netns", "launchTemplateId"},
	"far":      {"CreateVpc CidrBlock=10.1.0.0/16", "vpcId"},
	"fargroup": {"CreateSecurityGroup GroupName=far GroupDescription=d VpcId=$far", "groupId"},
	"request":  {"CreateVpcPeeringConnection VpcId=$vpc PeerVpcId=$far", "vpcPeeringConnectionId"},
	"peering":  {"AcceptVpcPeeringConnection VpcPeeringConnectionId=$request", "vpcPeeringConnectionId"},
	"default":  {"DescribeVpcs Filter.1.Name=is-default Filter.1.Value.1=true", "vpcId"},
}

var (
	variable = regexp.MustCompile(`\$[a-z][a-z0-9]*`)
	repeated = regexp.MustCompile(`\{(.)\*(\d+)\}`)
)

// repeat writes {x*256} out.
func repeat(s string) string {
	return repeated.ReplaceAllStringFunc(s, func(m string) string {
		parts := repeated.FindStringSubmatch(m)
		n, _ := strconv.Atoi(parts[2])
		return strings.Repeat(parts[1], n)
	})
}

// permit writes a permission into a form.
func permit(form url.Values, prefix string, parts []string) {
	for i, name := range []string{"IpProtocol", "FromPort", "ToPort"} {
		if i < len(parts) && parts[i] != "" {
			form.Set(prefix+name, parts[i])
		}
	}
	for i, peer := range parts[min(3, len(parts)):] {
		name := fmt.Sprintf("IpRanges.%d.CidrIp", i+1)
		switch {
		case strings.HasPrefix(peer, "sg-"):
			name = fmt.Sprintf("Groups.%d.GroupId", i+1)
		case strings.HasPrefix(peer, "pl-"):
			name = fmt.Sprintf("PrefixListIds.%d.PrefixListId", i+1)
		case strings.Contains(peer, ":"):
			name = fmt.Sprintf("Ipv6Ranges.%d.CidrIpv6", i+1)
		}
		form.Set(prefix+name, peer)
	}
}

// many writes a list of values into a form.
func many(form url.Values, what string) {
	name, count, _ := strings.Cut(what, ",")
	n, _ := strconv.Atoi(count)
	for i := range n {
		form.Set(strings.Replace(name, ".N", fmt.Sprintf(".%d", i+1), 1), fmt.Sprintf("value-%d", i))
	}
}
