/** The build without captions, several sound tracks and DRM, which our streams never have. It comes without types. */
declare module 'hls.js/light' {
  import Hls from 'hls.js';

  export default Hls;
}
