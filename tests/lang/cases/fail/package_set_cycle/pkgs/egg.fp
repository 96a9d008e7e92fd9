egg({ chicken }) = chicken + 1
