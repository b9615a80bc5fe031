package checkpoint

import "errors"

// FileConfig configures a File store.
type FileConfig struct {
	Dir string `yaml:"dir"` // created when missing; of one process alone
}

// SetDefaults gives the key that may be left out its value.
func (c *FileConfig) SetDefaults() { c.Dir = "./state" }

// Validate reports what is wrong with the configuration.
func (c *FileConfig) Validate() error {
	if c.Dir == "" {
		return errors.New("dir: empty, a folder for the state is needed, such as ./state")
	}
	return nil
}
