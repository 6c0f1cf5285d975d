// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/types"
	current "github.com/containernetworking/cni/pkg/types/100"
)

func TestWhatIsNotAsDocumentedIsRefused(t *testing.T) {
	const fine = `"cniVersion":"1.1.0","name":"pods","type":"hedgeward-cni","subnet":"subnet-1"`
	for _, c := range []struct {
		text string
		code uint
		says string
	}{
		{`{` + fine + `}`, 0, ""},
		{`{` + fine + `,"groups":["web"],"socket":"/x","wait":1.5,"device":"tap0","cni.dev/anything":1,"args":{"labels":[]},"capabilities":{"x":true}}`, 0, ""},
		{`{` + fine + `,"group":["web"]}`, types.ErrInvalidNetworkConfig, `no member "group"; those of its own are socket, subnet, groups, device and wait`},
		{`{` + fine + `,"groups":"web"}`, types.ErrDecodingFailure, "not as documented"},
		{`{` + fine + `,"wait":-1}`, types.ErrInvalidNetworkConfig, "give seconds from 0"},
		{`{` + fine + `,"wait":601}`, types.ErrInvalidNetworkConfig, "to 600"},
		{`{"cniVersion":"1.1.0","name":"pods"}`, types.ErrInvalidNetworkConfig, "it names no subnet"},
		{`{` + fine + `,"prevResult":{"ips":[{"address":"x"}]}}`, types.ErrDecodingFailure, "cannot be read"},
		{`[]`, types.ErrDecodingFailure, "not as documented"},
		{``, types.ErrDecodingFailure, "not as documented"},
	} {
		got, refused := readAll([]byte(c.text))
		switch {
		case refused == nil && (c.code != 0 || got.Subnet != "subnet-1"):
			t.Errorf("%s: read as %+v", c.text, got)
		case refused != nil && (refused.Code != c.code || !strings.Contains(refused.Error(), c.says)):
			t.Errorf("%s: code %d, %s; want %d, …%s…", c.text, refused.Code, refused, c.code, c.says)
		}
	}
	// Who gives back needs nothing of what has become wrong since.
	if c, refused := read([]byte(`{"name":"pods","group":["web"]}`)); refused != nil || c.Name != "pods" {
		t.Errorf("to give back: %+v, %v", c, refused)
	}
}

// TestTheSampleIsAsDocumented reads the configuration that the package ships.
func TestTheSampleIsAsDocumented(t *testing.T) {
	text, err := os.ReadFile("../../packaging/config/hedgeward.conflist")
	if err != nil {
		t.Fatal(err)
	}
	var list struct {
		Plugins []json.RawMessage `json:"plugins"`
	}
	if err := json.Unmarshal(text, &list); err != nil || len(list.Plugins) < 2 {
		t.Fatalf("%v: %s", err, text)
	}
	c, refused := readAll(list.Plugins[len(list.Plugins)-1])
	if refused != nil || c.Type != "hedgeward-cni" || !c.Capabilities["hedgeward.groups"] || !c.Capabilities["io.kubernetes.cri.pod-annotations"] {
		t.Errorf("%+v, %v", c, refused)
	}
}

func TestArgumentsOfOthersArePassedOver(t *testing.T) {
	for text, want := range map[string]string{
		"":                                   "",
		"IgnoreUnknown=1;K8S_POD_NAME=a;X=":  "",
		"HEDGEWARD_GROUPS= web ,,sg-1;A=b=c": "web sg-1",
		"HEDGEWARD_GROUP=web":                "refused",
		"HEDGEWARD_GROUPS":                   "refused",
	} {
		args, refused := arguments(text)
		got := strings.Join((&config{}).groups(args), " ")
		if refused != nil {
			if got = "refused"; refused.Code != types.ErrInvalidEnvironmentVariables {
				t.Errorf("%q: %v", text, refused)
			}
		}
		if got != want {
			t.Errorf("%q: groups %q, want %q", text, got, want)
		}
	}
}

// TestClaimsOfDifferentAttachmentsDiffer: what is too long for a claim is hashed, and
// still tells its network.
func TestClaimsOfDifferentAttachmentsDiffer(t *testing.T) {
	long := strings.Repeat("n", 200)
	seen := map[string]string{}
	for _, network := range []string{"a", "a-b", "b", long, long + "x", strings.Repeat("n", 40), strings.Repeat("n", 41)} {
		for _, container := range []string{"c", "c-d", strings.Repeat("f", 64), long, long + "y"} {
			for _, ifname := range []string{"eth0", "eth1", "fifteen-bytes-x"} {
				got, of := words(network, container, ifname), network+" "+container+" "+ifname
				if other := seen[got]; other != "" || len(got) > 128 || !strings.HasPrefix(got, networkWords(network)) {
					t.Errorf("%s is claimed as %q (%d bytes), as is %q", of, got, len(got), other)
				}
				seen[got] = of
			}
		}
	}
	if got := words("pods", "4f1c", "eth0"); got != "cni/pods/4f1c/eth0" {
		t.Error(got)
	}
}

// TestTheInterfaceHasTheAddressesOfThisContainer: a result may have those of others.
func TestTheInterfaceHasTheAddressesOfThisContainer(t *testing.T) {
	args := &skel.CmdArgs{Netns: "/n", IfName: "eth0"}
	for _, c := range []struct{ result, want string }{
		{`{"ips":[{"address":"10.0.0.2/24"},{"address":"2001:db8::2/64"}]}`, "10.0.0.2 2001:db8::2"},
		{`{"interfaces":[{"name":"veth1"},{"name":"eth0","sandbox":"/n"},{"name":"eth1","sandbox":"/n"},{"name":"eth0","sandbox":"/m"}],"ips":[
			{"interface":0,"address":"10.0.0.3/24"},{"interface":1,"address":"10.0.0.4/24"},{"interface":2,"address":"10.0.0.5/24"},{"interface":3,"address":"10.0.0.6/24"}]}`, "10.0.0.4"},
		{`{"ips":[{"interface":7,"address":"10.0.0.2/24"}]}`, "refused"},
		{`{"interfaces":[null],"ips":[{"interface":0,"address":"10.0.0.2/24"}]}`, "refused"},
		{`{}`, "refused"},
	} {
		result := new(current.Result)
		if err := json.Unmarshal([]byte(c.result), result); err != nil {
			t.Fatal(err)
		}
		all, refused := addressesOf(result, args)
		got := strings.Join(all, " ")
		if refused != nil {
			got = "refused"
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.result, got, c.want)
		}
	}
}

// TestErrorsKeepTheirCode: what went wrong besides does not hide why.
func TestErrorsKeepTheirCode(t *testing.T) {
	refusal := bad("it is wrong")
	if joined(refusal, nil, nil) != error(refusal) {
		t.Error("changed without a reason")
	}
	got, ok := joined(refusal, types.NewError(11, "later", "")).(*types.Error)
	if !ok || got.Code != types.ErrInvalidNetworkConfig || !slices.Equal([]string{got.Msg, got.Details}, []string{refusal.Msg, "later"}) {
		t.Errorf("%+v", got)
	}
}
