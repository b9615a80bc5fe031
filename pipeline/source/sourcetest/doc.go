// Package sourcetest holds the contract of pipeline.Source as tests: Host
// stands in for the pipeline and checks what it is told, Run is the suite that
// every source passes.
package sourcetest
