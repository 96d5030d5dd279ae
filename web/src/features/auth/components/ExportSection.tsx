import { useExportData } from '@/features/auth/api/export-data';
import { AccountSection } from '@/features/auth/components/AccountSection';
import { Alert, ErrorAlert } from '@/shared/components/Alert';
import { Button } from '@/shared/components/Button';

export function ExportSection() {
  const exportData = useExportData();
  return (
    <AccountSection title="Your data">
      <p>
        Everything that is stored about you, as one JSON file: the account, its sessions, media, jobs and
        activity. The media files themselves are on the media page.
      </p>
      <ErrorAlert error={exportData.error} />
      {exportData.isSuccess && <Alert>The file is saved with your downloads.</Alert>}
      <Button
        busy={exportData.isPending}
        onClick={() => {
          exportData.mutate();
        }}
      >
        {exportData.isPending ? 'Collecting…' : 'Download your data'}
      </Button>
    </AccountSection>
  );
}
