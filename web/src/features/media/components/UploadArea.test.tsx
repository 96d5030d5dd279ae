import { fireEvent, render, screen } from '@testing-library/react';
import { userEvent } from '@testing-library/user-event';
import { describe, expect, it, vi } from 'vitest';

import { UploadArea } from '@/features/media/components/UploadArea';

const small = new File(['x'], 'small.mp4');
const large = new File(['x'.repeat(20)], 'large.mp4');

describe('UploadArea', () => {
  it('takes files from the picker, the same one twice', async () => {
    const onFiles = vi.fn();
    render(<UploadArea maxBytes={null} onFiles={onFiles} />);
    const picker = screen.getByLabelText('choose files');
    await userEvent.upload(picker, small);
    await userEvent.upload(picker, small);
    expect(onFiles.mock.calls).toEqual([[[small]], [[small]]]);
  });

  it('takes what is dropped, but nothing that the server would refuse for its size', () => {
    const onFiles = vi.fn();
    render(<UploadArea maxBytes={10} onFiles={onFiles} />);
    fireEvent.drop(screen.getByRole('group', { name: 'Upload' }), {
      dataTransfer: { files: [small, large] },
    });
    expect(onFiles).toHaveBeenCalledExactlyOnceWith([small]);
    expect(screen.getByRole('alert')).toHaveTextContent('Too large for this server: large.mp4');
  });
});
