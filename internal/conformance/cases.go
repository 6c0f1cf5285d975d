// SPDX-License-Identifier: Apache-2.0

package conformance

// NoRow lists the cases of section 7 that are no rows, with who shows them instead
// or why nobody can.
var NoRow = map[string]string{
	"K12": "two processors at once: TestOneUnitForARace of package datapath",
	"L01": "a change under load: TestNoBlink of package test/e2e, with packets of real instances",
	"L02": "a change under load: TestNoBlink of package test/e2e, with packets of real instances",
	"L03": "a change under load: TestNoBlink of package test/e2e, with packets of real instances",
	"L05": "the process is killed: TestNoBlinkAcrossRestarts of package test/e2e",
	"L06": "the process is stopped: TestProcessEndsAndEnforcementStays of package test/e2e",
	"L07": "programs are replaced: TestNoBlinkAcrossRestarts of package test/e2e, TestFabric of package datapath",
	"L10": "what an agent computes, not what a packet meets: package agent",
	"L11": "the time until a change is in force, with 5 000 members: make bench",
	"L12": "the time until a change is in force, with 5 000 members: make bench",
	"L16": "instances do not move: there is one host",
	"L19": "a clock that is set or a machine that sleeps: the programs count jiffies, which no clock sets",
	"M07": "a field of flow-log files, which are not written yet",
	"M09": "a field of flow-log files, which are not written yet",
	"M10": "a field of flow-log files, which are not written yet",
	"M11": "a record of flow-log files, which are not written yet",
	"M12": "a record of flow-log files, which are not written yet",
	"M14": "a filter of flow-log files, which are not written yet",
	"M16": "the format of flow-log files, which are not written yet",
	"M17": "the format of flow-log files, which are not written yet",
}
