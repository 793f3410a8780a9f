package record

// virtualServers are the kernel's.
func virtualServers() (string, error) { return "", errNoIPVS }
